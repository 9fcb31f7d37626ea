output "twilio_webhook_url" {
  description = "To be pasted into the number's \"A message comes in\" (POST). What stands after the # lets Twilio try again, five times, whatever went wrong."
  value       = "${local.urls["twilio_webhook"]}#rc=5&rp=all"

  precondition {
    condition     = google_cloudfunctions2_function.function["twilio_webhook"].url == local.urls["twilio_webhook"]
    error_message = "The webhook is at ${google_cloudfunctions2_function.function["twilio_webhook"].url}, and checks signatures over ${local.urls["twilio_webhook"]}: every text would be refused."
  }
}

output "twilio_status_url" {
  description = "Where Twilio posts delivery receipts. Each text names it: nothing to paste."
  value       = local.urls["twilio_status"]

  precondition {
    condition     = google_cloudfunctions2_function.function["twilio_status"].url == local.urls["twilio_status"]
    error_message = "The receipts' webhook is at ${google_cloudfunctions2_function.function["twilio_status"].url}, and checks signatures over ${local.urls["twilio_status"]}: every receipt would be refused."
  }
}

output "email_webhook_url" {
  description = "To be pasted into SendGrid's Inbound Parse, for the mail domain."
  value       = local.urls["email_webhook"]
}

output "functions" {
  description = "The functions' names at Google by their entry points."
  value       = { for name, function in local.functions : name => function.name }
}

output "secrets" {
  description = "The secrets whose values operators add, by the variables that hold them."
  value       = { for name, secret in google_secret_manager_secret.secret : name => secret.secret_id }
}

output "dashboard" {
  description = "Where the figures are."
  value       = "https://console.cloud.google.com/monitoring/dashboards?project=${var.project_id}"
}
