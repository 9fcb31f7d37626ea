# One archive of exactly what runs, made by `make archive` (terraform/archive.py), for all functions.

locals {
  archive = "${path.module}/../build/source.zip"
  # The same files make the same archive, so that nothing is deployed again without a change. Before
  # the first `make archive` the configuration can be checked, but not applied: there is no such file.
  version = fileexists(local.archive) ? substr(filesha256(local.archive), 0, 12) : "none"
}

resource "google_storage_bucket" "source" {
  name                        = "${var.project_id}-source"
  location                    = var.region
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"

  # What was deployed before stays for a while: `make rollback` needs none of it, people may.
  versioning {
    enabled = true
  }
  lifecycle_rule {
    action {
      type = "Delete"
    }
    condition {
      days_since_noncurrent_time = 90
    }
  }

  depends_on = [google_project_service.api]
}

resource "google_storage_bucket_object" "source" {
  bucket = google_storage_bucket.source.name
  name   = "source-${local.version}.zip"
  source = local.archive
}

resource "google_artifact_registry_repository" "functions" {
  repository_id = "functions"
  location      = var.region
  format        = "DOCKER"
  description   = "The functions' images. A revision cannot be gone back to without its own."

  cleanup_policies {
    id     = "keep-the-latest"
    action = "KEEP"
    most_recent_versions {
      keep_count = 10
    }
  }
  cleanup_policies {
    id     = "delete-the-old"
    action = "DELETE"
    condition {
      older_than = "7776000s" # 90 days
    }
  }

  depends_on = [google_project_service.api]
}

# Builds have an account of their own: the default one of a project may do far more, or nothing.
resource "google_service_account" "build" {
  account_id   = "fn-build"
  display_name = "Builds the functions' images"

  depends_on = [google_project_service.api]
}

resource "google_artifact_registry_repository_iam_member" "build" {
  repository = google_artifact_registry_repository.functions.name
  location   = google_artifact_registry_repository.functions.location
  role       = "roles/artifactregistry.writer"
  member     = google_service_account.build.member
}

# On the project: Cloud Functions copies the source into a bucket of its own, which is not there yet,
# and Cloud Build's lines go to the project's log.
resource "google_project_iam_member" "build" {
  for_each = toset(["roles/logging.logWriter", "roles/storage.objectViewer"])

  project = var.project_id
  role    = each.key
  member  = google_service_account.build.member
}

# A grant takes up to two minutes to be known everywhere: a build or an instance before that fails.
resource "time_sleep" "grants" {
  create_duration = "120s"
  triggers        = { readers = jsonencode(local.readers) }

  depends_on = [
    google_secret_manager_secret_iam_binding.readers,
    google_artifact_registry_repository_iam_member.build,
    google_project_iam_member.build,
  ]
}
