terraform {
  required_version = ">= 1.11"

  required_providers {
    google = {
      source  = "hashicorp/google"
      version = "= 7.45.0" # what terraform/tests are run with
    }
    time = {
      source  = "hashicorp/time"
      version = "= 0.13.1"
    }
  }
}

provider "google" {
  project = var.project_id
  region  = var.region
  # The Budget API counts against a project, and wants it named.
  user_project_override = true
  billing_project       = var.project_id

  default_labels = { app = "yachtparty" }
}

data "google_project" "project" {
  project_id = var.project_id
}
