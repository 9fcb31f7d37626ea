locals {
  system = yamldecode(file("${path.module}/system.yaml"))

  functions = { for name, function in local.system.functions : name => merge(function, {
    name = replace(name, "_", "-")
    env  = concat(function.env, local.system.env)
  }) }

  # Known before the functions are, since two of them must be told their own: signatures are made
  # over it. The output of each says so should Google ever choose another.
  urls = { for name, function in local.functions :
    name => "https://${var.region}-${var.project_id}.cloudfunctions.net/${function.name}"
  }

  # Every variable that is no secret. One that is null is not set.
  values = merge(
    {
      SUPABASE_URL                 = var.supabase_url
      TWILIO_ACCOUNT_SID           = var.twilio.account_sid
      TWILIO_NUMBER                = var.twilio.number
      TWILIO_MESSAGING_SERVICE_SID = var.twilio.messaging_service_sid
      TWILIO_SEGMENTS_PER_SECOND   = tostring(var.twilio.segments_per_second)
      TWILIO_HANDLES_KEYWORDS      = tostring(var.twilio.handles_keywords)
      TWILIO_WEBHOOK_URL           = local.urls["twilio_webhook"]
      TWILIO_STATUS_URL            = local.urls["twilio_status"]
      DAILY_SPEND_CAP_USD          = tostring(var.claude_usd_per_day.cap)
      EMAIL_DOMAIN                 = var.mail.domain
      SENDGRID_PUBLIC_KEY          = var.mail.sendgrid_public_key
      GOOGLE_CLOUD_PROJECT         = var.project_id
      LOG_LEVEL                    = var.log_level
      OTEL_EXPORTER_OTLP_ENDPOINT  = var.otlp_endpoint
    },
    { for name, topic in local.system.topics : topic.env => "projects/${var.project_id}/topics/${name}" },
  )

  # Who may call a function, as IAM names them.
  callers = {
    outside   = "allUsers"
    pubsub    = google_service_account.caller["pubsub"].member
    scheduler = google_service_account.caller["scheduler"].member
  }
}

resource "google_service_account" "function" {
  for_each = local.functions

  account_id   = "fn-${each.value.name}"
  display_name = "Runs ${each.value.name}"

  depends_on = [google_project_service.api]
}

# What our own callers prove themselves with; they may do nothing else.
resource "google_service_account" "caller" {
  for_each = toset(["pubsub", "scheduler"])

  account_id   = "caller-${each.key}"
  display_name = "Calls functions for ${each.key}"

  depends_on = [google_project_service.api]
}

resource "google_cloudfunctions2_function" "function" {
  for_each = local.functions

  name        = each.value.name
  location    = var.region
  description = "Entry point ${each.key}, see functions/${each.key}.py."
  labels      = { source = local.version }

  build_config {
    runtime     = "python311"
    entry_point = each.key
    # `make deploy-function` sets another SOURCE: by that alone Terraform sees that it was there.
    environment_variables = { GOOGLE_FUNCTION_SOURCE = "main.py", SOURCE = local.version }
    service_account       = google_service_account.build.id
    docker_repository     = google_artifact_registry_repository.functions.id

    source {
      storage_source {
        bucket = google_storage_bucket.source.name
        object = google_storage_bucket_object.source.name
      }
    }
  }

  service_config {
    service_account_email            = google_service_account.function[each.key].email
    available_memory                 = each.value.memory
    available_cpu                    = each.value.cpu
    max_instance_request_concurrency = each.value.concurrency
    timeout_seconds                  = each.value.timeout_s
    min_instance_count               = each.value.min_instances
    max_instance_count               = each.value.max_instances
    all_traffic_on_latest_revision   = true
    # Pub/Sub and Scheduler of this project count as internal.
    ingress_settings = contains(each.value.called_by, "outside") ? "ALLOW_ALL" : "ALLOW_INTERNAL_ONLY"

    environment_variables = merge(
      # functions-framework's: as many threads as requests come at once.
      { THREADS = tostring(each.value.concurrency) },
      { for name in each.value.env : name => local.values[name] if local.values[name] != null },
    )

    dynamic "secret_environment_variables" {
      for_each = toset(each.value.secrets)
      content {
        key        = secret_environment_variables.value
        project_id = var.project_id
        secret     = google_secret_manager_secret.secret[secret_environment_variables.value].secret_id
        version    = "latest" # as of an instance's start
      }
    }
  }

  # It does not start without its secrets, nor is it built without these rights.
  depends_on = [time_sleep.grants]
}

# A second-generation function is a Cloud Run service of the same name, which asks who is calling.
resource "google_cloud_run_v2_service_iam_binding" "callers" {
  for_each = local.functions

  name     = google_cloudfunctions2_function.function[each.key].name
  location = var.region
  role     = "roles/run.invoker"
  members  = [for caller in each.value.called_by : local.callers[caller]]
}
