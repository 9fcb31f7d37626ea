locals {
  topics = local.system.topics
  # Pub/Sub itself, in this project.
  pubsub_agent = "serviceAccount:service-${data.google_project.project.number}@gcp-sa-pubsub.iam.gserviceaccount.com"
}

resource "google_pubsub_topic" "topic" {
  for_each = local.topics

  name = each.key

  depends_on = [google_project_service.api]
}

# Those functions publish which are told the topic's name.
resource "google_pubsub_topic_iam_binding" "publishers" {
  for_each = local.topics

  topic = google_pubsub_topic.topic[each.key].name
  role  = "roles/pubsub.publisher"
  members = [for name, function in local.functions :
    google_service_account.function[name].member if contains(function.env, each.value.env)
  ]
}

resource "google_pubsub_subscription" "push" {
  for_each = local.topics

  name  = "${each.key}-push"
  topic = google_pubsub_topic.topic[each.key].id
  # Longer than the function may take, so that nothing is pushed again while it works.
  ack_deadline_seconds       = 600
  message_retention_duration = "604800s" # 7 days

  expiration_policy {
    ttl = "" # never
  }

  push_config {
    push_endpoint = google_cloudfunctions2_function.function[each.value.pushes_to].service_config[0].uri

    oidc_token {
      service_account_email = google_service_account.caller["pubsub"].email
      audience              = google_cloudfunctions2_function.function[each.value.pushes_to].service_config[0].uri
    }
  }

  # Only what could not be recorded is pushed again: a failed handler is retried by the database.
  retry_policy {
    minimum_backoff = "10s"
    maximum_backoff = "600s"
  }

  dead_letter_policy {
    dead_letter_topic     = google_pubsub_topic.dead_letter[each.key].id
    max_delivery_attempts = 10
  }

  depends_on = [google_service_account_iam_member.pubsub_signs]
}

resource "google_pubsub_topic" "dead_letter" {
  for_each = local.topics

  name = "${each.key}-dead-letter"

  depends_on = [google_project_service.api]
}

# Without a subscription a dead letter would be gone at once.
resource "google_pubsub_subscription" "dead_letter" {
  for_each = local.topics

  name                       = "${each.key}-dead-letter"
  topic                      = google_pubsub_topic.dead_letter[each.key].id
  ack_deadline_seconds       = 60
  message_retention_duration = "604800s" # 7 days

  expiration_policy {
    ttl = "" # never
  }
}

# To move a message there, Pub/Sub publishes it to the one and acknowledges it on the other.
resource "google_pubsub_topic_iam_member" "dead_letter" {
  for_each = local.topics

  topic  = google_pubsub_topic.dead_letter[each.key].name
  role   = "roles/pubsub.publisher"
  member = local.pubsub_agent
}

resource "google_pubsub_subscription_iam_member" "dead_letter" {
  for_each = local.topics

  subscription = google_pubsub_subscription.push[each.key].name
  role         = "roles/pubsub.subscriber"
  member       = local.pubsub_agent
}

# To push with a token of the caller's.
resource "google_service_account_iam_member" "pubsub_signs" {
  service_account_id = google_service_account.caller["pubsub"].name
  role               = "roles/iam.serviceAccountOpenIdTokenCreator"
  member             = local.pubsub_agent

  # The agent itself is made by hand, before the first deployment: docs/operations.md, step 1.
  depends_on = [google_pubsub_topic.topic]
}
