resource "google_cloud_scheduler_job" "job" {
  for_each = local.system.jobs

  name      = each.key
  region    = var.region
  schedule  = each.value.schedule
  time_zone = "Etc/UTC"
  # Waits as long as the function may take.
  attempt_deadline = "${local.functions[each.value.calls].timeout_s}s"

  retry_config {
    retry_count          = each.value.retries
    min_backoff_duration = "5s"
    max_backoff_duration = "60s"
  }

  http_target {
    http_method = "POST"
    uri         = google_cloudfunctions2_function.function[each.value.calls].service_config[0].uri
    headers     = { "Content-Type" = "application/json" }
    body        = base64encode(jsonencode(try(each.value.body, {})))

    oidc_token {
      service_account_email = google_service_account.caller["scheduler"].email
      audience              = google_cloudfunctions2_function.function[each.value.calls].service_config[0].uri
    }
  }

  # `make jobs` pauses them for maintenance; a deployment does not resume them.
  lifecycle {
    ignore_changes = [paused]
  }

  depends_on = [google_project_service.api]
}
