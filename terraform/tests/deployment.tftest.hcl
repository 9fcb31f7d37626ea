# What must hold of a deployment, whatever else is changed. Planned with a mocked Google: no account.
# What each function may read and who may call it stands here once more, on purpose: a slip in
# system.yaml must not pass because it is in the one place where everything is.

mock_provider "google" {
  override_during = plan
}

mock_provider "time" {}

override_data {
  target = data.google_project.project
  values = { number = "123456789" }
}

override_resource {
  target          = google_service_account.function["twilio_webhook"]
  override_during = plan
  values = {
    email  = "fn-twilio-webhook@yp-test.iam.gserviceaccount.com"
    member = "serviceAccount:fn-twilio-webhook@yp-test.iam.gserviceaccount.com"
  }
}

override_resource {
  target          = google_service_account.function["twilio_status"]
  override_during = plan
  values = {
    email  = "fn-twilio-status@yp-test.iam.gserviceaccount.com"
    member = "serviceAccount:fn-twilio-status@yp-test.iam.gserviceaccount.com"
  }
}

override_resource {
  target          = google_service_account.function["email_webhook"]
  override_during = plan
  values = {
    email  = "fn-email-webhook@yp-test.iam.gserviceaccount.com"
    member = "serviceAccount:fn-email-webhook@yp-test.iam.gserviceaccount.com"
  }
}

override_resource {
  target          = google_service_account.function["event_processor"]
  override_during = plan
  values = {
    email  = "fn-event-processor@yp-test.iam.gserviceaccount.com"
    member = "serviceAccount:fn-event-processor@yp-test.iam.gserviceaccount.com"
  }
}

override_resource {
  target          = google_service_account.function["event_sweeper"]
  override_during = plan
  values = {
    email  = "fn-event-sweeper@yp-test.iam.gserviceaccount.com"
    member = "serviceAccount:fn-event-sweeper@yp-test.iam.gserviceaccount.com"
  }
}

override_resource {
  target          = google_service_account.function["task_processor"]
  override_during = plan
  values = {
    email  = "fn-task-processor@yp-test.iam.gserviceaccount.com"
    member = "serviceAccount:fn-task-processor@yp-test.iam.gserviceaccount.com"
  }
}

override_resource {
  target          = google_service_account.function["message_orchestrator"]
  override_during = plan
  values = {
    email  = "fn-message-orchestrator@yp-test.iam.gserviceaccount.com"
    member = "serviceAccount:fn-message-orchestrator@yp-test.iam.gserviceaccount.com"
  }
}

override_resource {
  target          = google_service_account.caller["pubsub"]
  override_during = plan
  values = {
    name   = "projects/yp-test/serviceAccounts/caller-pubsub@yp-test.iam.gserviceaccount.com"
    email  = "caller-pubsub@yp-test.iam.gserviceaccount.com"
    member = "serviceAccount:caller-pubsub@yp-test.iam.gserviceaccount.com"
  }
}

override_resource {
  target          = google_service_account.caller["scheduler"]
  override_during = plan
  values = {
    name   = "projects/yp-test/serviceAccounts/caller-scheduler@yp-test.iam.gserviceaccount.com"
    email  = "caller-scheduler@yp-test.iam.gserviceaccount.com"
    member = "serviceAccount:caller-scheduler@yp-test.iam.gserviceaccount.com"
  }
}

override_resource {
  target          = google_service_account.build
  override_during = plan
  values = {
    id     = "projects/yp-test/serviceAccounts/fn-build@yp-test.iam.gserviceaccount.com"
    email  = "fn-build@yp-test.iam.gserviceaccount.com"
    member = "serviceAccount:fn-build@yp-test.iam.gserviceaccount.com"
  }
}

override_resource {
  target          = google_cloudfunctions2_function.function["twilio_webhook"]
  override_during = plan
  values = {
    url            = "https://us-east1-yp-test.cloudfunctions.net/twilio-webhook"
    service_config = { uri = "https://twilio-webhook-x-ue.a.run.app" }
  }
}

override_resource {
  target          = google_cloudfunctions2_function.function["twilio_status"]
  override_during = plan
  values = {
    url            = "https://us-east1-yp-test.cloudfunctions.net/twilio-status"
    service_config = { uri = "https://twilio-status-x-ue.a.run.app" }
  }
}

override_resource {
  target          = google_cloudfunctions2_function.function["email_webhook"]
  override_during = plan
  values = {
    url            = "https://us-east1-yp-test.cloudfunctions.net/email-webhook"
    service_config = { uri = "https://email-webhook-x-ue.a.run.app" }
  }
}

override_resource {
  target          = google_cloudfunctions2_function.function["event_processor"]
  override_during = plan
  values = {
    url            = "https://us-east1-yp-test.cloudfunctions.net/event-processor"
    service_config = { uri = "https://event-processor-x-ue.a.run.app" }
  }
}

override_resource {
  target          = google_cloudfunctions2_function.function["event_sweeper"]
  override_during = plan
  values = {
    url            = "https://us-east1-yp-test.cloudfunctions.net/event-sweeper"
    service_config = { uri = "https://event-sweeper-x-ue.a.run.app" }
  }
}

override_resource {
  target          = google_cloudfunctions2_function.function["task_processor"]
  override_during = plan
  values = {
    url            = "https://us-east1-yp-test.cloudfunctions.net/task-processor"
    service_config = { uri = "https://task-processor-x-ue.a.run.app" }
  }
}

override_resource {
  target          = google_cloudfunctions2_function.function["message_orchestrator"]
  override_during = plan
  values = {
    url            = "https://us-east1-yp-test.cloudfunctions.net/message-orchestrator"
    service_config = { uri = "https://message-orchestrator-x-ue.a.run.app" }
  }
}

override_resource {
  target          = google_pubsub_topic.topic["events"]
  override_during = plan
  values = {
    id = "projects/yp-test/topics/events"
  }
}

override_resource {
  target          = google_pubsub_topic.dead_letter["events"]
  override_during = plan
  values = {
    id = "projects/yp-test/topics/events-dead-letter"
  }
}

override_resource {
  target          = google_monitoring_notification_channel.operators
  override_during = plan
  values          = { id = "projects/yp-test/notificationChannels/1" }
}

variables {
  project_id   = "yp-test"
  region       = "us-east1"
  supabase_url = "https://ref.supabase.co"
  twilio = {
    account_sid = "AC00000000000000000000000000000000"
    number      = "+12125550100"
  }
  mail = {
    domain              = "in.example.com"
    sendgrid_public_key = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
  }
  alerts_to = "operators@example.com"
}

run "a_deployment" {
  command = plan

  # Who may call.

  assert {
    condition = { for name, binding in google_cloud_run_v2_service_iam_binding.callers : binding.name => binding.members } == {
      twilio-webhook       = toset(["allUsers"])
      twilio-status        = toset(["allUsers"])
      email-webhook        = toset(["allUsers"])
      event-processor      = toset(["serviceAccount:caller-pubsub@yp-test.iam.gserviceaccount.com", "serviceAccount:caller-scheduler@yp-test.iam.gserviceaccount.com"])
      event-sweeper        = toset(["serviceAccount:caller-scheduler@yp-test.iam.gserviceaccount.com"])
      task-processor       = toset(["serviceAccount:caller-scheduler@yp-test.iam.gserviceaccount.com"])
      message-orchestrator = toset(["serviceAccount:caller-scheduler@yp-test.iam.gserviceaccount.com"])
    }
    error_message = "Only the webhooks of Twilio and SendGrid may be public; Pub/Sub calls event_processor; Scheduler calls what runs by the clock."
  }
  assert {
    condition     = alltrue([for binding in google_cloud_run_v2_service_iam_binding.callers : binding.role == "roles/run.invoker"])
    error_message = "Who calls a function may do nothing but call it."
  }
  assert {
    condition = alltrue([for name, function in google_cloudfunctions2_function.function :
      (function.service_config[0].ingress_settings == "ALLOW_ALL") == contains(["twilio_webhook", "twilio_status", "email_webhook"], name)
    ])
    error_message = "Functions that only we call must not be reachable from the internet, and the webhooks must."
  }

  # Who may read which secret.

  assert {
    condition = { for name, binding in google_secret_manager_secret_iam_binding.readers : binding.secret_id => toset([for member in binding.members : trimsuffix(trimprefix(member, "serviceAccount:fn-"), "@yp-test.iam.gserviceaccount.com")]) } == {
      supabase-service-role-key = toset(["twilio-webhook", "twilio-status", "email-webhook", "event-processor", "event-sweeper", "task-processor", "message-orchestrator"])
      twilio-auth-token         = toset(["twilio-webhook", "twilio-status", "event-processor", "event-sweeper", "task-processor", "message-orchestrator"])
      anthropic-api-key         = toset(["event-processor", "task-processor", "message-orchestrator"])
      email-token-secret        = toset(["email-webhook", "event-processor", "task-processor"])
    }
    error_message = "A secret is readable by the functions that need it, and by nobody else."
  }
  assert {
    condition     = alltrue([for binding in google_secret_manager_secret_iam_binding.readers : binding.role == "roles/secretmanager.secretAccessor"])
    error_message = "A reader of a secret may only read it."
  }
  assert {
    condition = alltrue([for function in google_cloudfunctions2_function.function :
      toset([for variable in function.service_config[0].secret_environment_variables : variable.secret]) == toset([
        for binding in google_secret_manager_secret_iam_binding.readers : binding.secret_id if contains(binding.members, "serviceAccount:${function.service_config[0].service_account_email}")
    ])])
    error_message = "A function is given exactly the secrets that its account may read."
  }
  assert {
    condition     = alltrue([for function in google_cloudfunctions2_function.function : !anytrue([for name in keys(function.service_config[0].environment_variables) : can(regex("KEY$|TOKEN|SECRET", name)) && name != "SENDGRID_PUBLIC_KEY"])])
    error_message = "A secret must not be a plain variable."
  }
  assert {
    condition     = length(distinct([for function in google_cloudfunctions2_function.function : function.service_config[0].service_account_email])) == length(google_cloudfunctions2_function.function)
    error_message = "Each function has a service account of its own."
  }

  # Functions.

  assert {
    condition     = alltrue([for name, function in google_cloudfunctions2_function.function : function.build_config[0].entry_point == name && function.build_config[0].environment_variables["GOOGLE_FUNCTION_SOURCE"] == "main.py"])
    error_message = "Each function's entry point is its name, and the build is told the source file."
  }
  assert {
    condition     = alltrue([for function in google_cloudfunctions2_function.function : function.build_config[0].environment_variables["SOURCE"] == function.labels["source"]])
    error_message = "The build is told which source it is of, so that one by gcloud is seen and undone."
  }
  assert {
    condition     = google_cloudfunctions2_function.function["twilio_webhook"].service_config[0].min_instance_count >= 1
    error_message = "An instance of the webhook is always there."
  }
  assert {
    condition     = alltrue([for function in google_cloudfunctions2_function.function : function.service_config[0].max_instance_count <= 100 && function.service_config[0].timeout_seconds <= 1800])
    error_message = "Everything has a limit."
  }
  assert {
    condition     = google_cloudfunctions2_function.function["message_orchestrator"].service_config[0].max_instance_count == 1
    error_message = "Two orchestrators at once would send twice as fast as the sender may."
  }
  assert {
    condition = (
      google_cloudfunctions2_function.function["twilio_webhook"].service_config[0].environment_variables["TWILIO_WEBHOOK_URL"] == "https://us-east1-yp-test.cloudfunctions.net/twilio-webhook"
      && google_cloudfunctions2_function.function["event_processor"].service_config[0].environment_variables["TWILIO_STATUS_URL"] == "https://us-east1-yp-test.cloudfunctions.net/twilio-status"
      && output.twilio_webhook_url == "https://us-east1-yp-test.cloudfunctions.net/twilio-webhook#rc=5&rp=all"
    )
    error_message = "A webhook checks signatures over the address that operators paste into Twilio."
  }
  assert {
    condition     = google_cloudfunctions2_function.function["event_processor"].service_config[0].environment_variables["PUBSUB_TOPIC"] == google_pubsub_topic.topic["events"].id
    error_message = "Events are published to the topic that is pushed."
  }
  assert {
    condition     = !contains(keys(google_cloudfunctions2_function.function["event_processor"].service_config[0].environment_variables), "TWILIO_MESSAGING_SERVICE_SID")
    error_message = "A variable without a value is not set."
  }

  # Topics.

  assert {
    condition     = length(google_pubsub_topic.topic) > 0 && alltrue([for name, topic in google_pubsub_topic.topic : google_pubsub_subscription.push[name].topic == topic.id])
    error_message = "Every working topic is pushed."
  }
  assert {
    condition     = alltrue([for name, subscription in google_pubsub_subscription.push : one(subscription.dead_letter_policy).dead_letter_topic == google_pubsub_topic.dead_letter[name].id])
    error_message = "Every working topic has a dead letter."
  }
  assert {
    condition     = alltrue([for name, topic in google_pubsub_topic.dead_letter : google_pubsub_subscription.dead_letter[name].topic == topic.id])
    error_message = "Every dead-letter topic has a subscription."
  }
  assert {
    condition     = alltrue([for subscription in concat(values(google_pubsub_subscription.push), values(google_pubsub_subscription.dead_letter)) : one(subscription.expiration_policy).ttl == ""])
    error_message = "No subscription expires."
  }
  assert {
    condition = (
      alltrue([for name, member in google_pubsub_topic_iam_member.dead_letter : member.topic == google_pubsub_topic.dead_letter[name].name && member.role == "roles/pubsub.publisher" && member.member == "serviceAccount:service-123456789@gcp-sa-pubsub.iam.gserviceaccount.com"])
      && alltrue([for name, member in google_pubsub_subscription_iam_member.dead_letter : member.subscription == google_pubsub_subscription.push[name].name && member.role == "roles/pubsub.subscriber" && member.member == "serviceAccount:service-123456789@gcp-sa-pubsub.iam.gserviceaccount.com"])
    )
    error_message = "Pub/Sub may move a message to the dead letters: publish there, acknowledge here."
  }
  assert {
    condition = alltrue([for subscription in google_pubsub_subscription.push : (
      subscription.push_config[0].push_endpoint == "https://event-processor-x-ue.a.run.app"
      && subscription.push_config[0].oidc_token[0].audience == "https://event-processor-x-ue.a.run.app"
      && subscription.push_config[0].oidc_token[0].service_account_email == "caller-pubsub@yp-test.iam.gserviceaccount.com"
    )])
    error_message = "Pushes go to the event processor, with a token for it."
  }
  assert {
    condition     = alltrue([for name, subscription in google_pubsub_subscription.push : subscription.ack_deadline_seconds > google_cloudfunctions2_function.function["event_processor"].service_config[0].timeout_seconds && one(subscription.retry_policy).minimum_backoff == "10s"])
    error_message = "Nothing is pushed again while it is worked on, nor at once after a failure."
  }
  assert {
    condition     = { for name, binding in google_pubsub_topic_iam_binding.publishers : name => toset([for member in binding.members : trimsuffix(trimprefix(member, "serviceAccount:fn-"), "@yp-test.iam.gserviceaccount.com")]) } == { events = toset(["twilio-webhook", "email-webhook", "event-processor", "event-sweeper", "task-processor"]) }
    error_message = "Those functions publish that make events, and no others."
  }

  # Jobs.

  assert {
    condition = (
      google_cloud_scheduler_job.job["community_closure"].schedule == "0 * * * *"
      && google_cloud_scheduler_job.job["community_closure"].http_target[0].uri == "https://event-processor-x-ue.a.run.app"
      && jsondecode(base64decode(google_cloud_scheduler_job.job["community_closure"].http_target[0].body)) == { event_type = "community.closure_due" }
    )
    error_message = "The closure runs hourly and calls the event processor."
  }
  assert {
    condition     = google_cloud_scheduler_job.job["task_processor"].schedule == "*/2 * * * *" && google_cloud_scheduler_job.job["task_processor"].http_target[0].uri == "https://task-processor-x-ue.a.run.app"
    error_message = "Tasks are worked on every 2 minutes."
  }
  assert {
    condition = alltrue([for name in ["event_sweeper", "message_orchestrator"] :
      google_cloud_scheduler_job.job[name].schedule == "* * * * *" && google_cloud_scheduler_job.job[name].http_target[0].uri == "https://${replace(name, "_", "-")}-x-ue.a.run.app"
    ])
    error_message = "The sweeper and the orchestrator run every minute."
  }
  assert {
    condition = alltrue([for job in google_cloud_scheduler_job.job : (
      job.http_target[0].http_method == "POST"
      && job.http_target[0].oidc_token[0].service_account_email == "caller-scheduler@yp-test.iam.gserviceaccount.com"
      && job.http_target[0].oidc_token[0].audience == job.http_target[0].uri
      && job.time_zone == "Etc/UTC"
    )])
    error_message = "Every job calls by the clock of UTC, with a token for what it calls."
  }
  assert {
    condition = alltrue([for job in google_cloud_scheduler_job.job :
      tonumber(trimsuffix(job.attempt_deadline, "s")) >= one([for function in google_cloudfunctions2_function.function : function.service_config[0].timeout_seconds if function.service_config[0].uri == job.http_target[0].uri])
    ])
    error_message = "A job waits as long as its function may take."
  }

  # Alerts.

  assert {
    condition = { for name, alert in google_monitoring_alert_policy.alert : name => join(" ", [for condition in alert.conditions : format("%g", condition.condition_threshold[0].threshold_value)]) } == {
      "Dead letters"                   = "0 0"
      "Delivery failures"              = "0.05"
      "Agent errors"                   = "0.02"
      "Events wait"                    = "300"
      "Claude costs more than planned" = "40"
    }
    error_message = "Operators are told of any dead letter, 5 % of texts that fail, 2 % of agents' steps, 5 minutes of waiting, and the day's budget."
  }
  assert {
    condition     = alltrue([for alert in concat(values(google_monitoring_alert_policy.alert), [google_monitoring_alert_policy.silence]) : alert.notification_channels == tolist([google_monitoring_notification_channel.operators.id])])
    error_message = "Every alert goes to somebody."
  }
  assert {
    condition     = google_monitoring_alert_policy.silence.conditions[0].condition_threshold[0].evaluation_missing_data == "EVALUATION_MISSING_DATA_ACTIVE"
    error_message = "No figures at all are a reason for alarm, too."
  }
  assert {
    condition     = google_logging_metric.metric["texts_ended"].filter == "resource.type=\"cloud_run_revision\" AND ((jsonPayload.logger=(\"yachtparty.twilio_status\") AND jsonPayload.message=(\"receipt\") AND jsonPayload.outcome=(\"moved\" OR \"pending\") AND jsonPayload.status=(\"delivered\" OR \"undelivered\" OR \"failed\")) OR (jsonPayload.logger=(\"yachtparty.outbox\") AND jsonPayload.message=(\"text refused\") AND jsonPayload.status=(\"refused\")))"
    error_message = "A metric's filter says what watch.yaml says, in the language of Cloud Logging."
  }
  assert {
    condition     = google_logging_metric.metric["oldest_open_event"].value_extractor == "EXTRACT(jsonPayload.oldest_open_s)" && google_logging_metric.metric["texts_ended"].label_extractors == tomap({ status = "EXTRACT(jsonPayload.status)" })
    error_message = "A metric reads its value and its label out of the line's fields."
  }
  assert {
    condition     = length(google_billing_budget.project) == 0
    error_message = "Without a billing account there is no budget to make."
  }
}

run "a_messaging_service" {
  command = plan
  variables {
    twilio = {
      account_sid           = "AC00000000000000000000000000000000"
      number                = "+12125550100"
      messaging_service_sid = "MG00000000000000000000000000000000"
    }
  }

  assert {
    condition     = google_cloudfunctions2_function.function["message_orchestrator"].service_config[0].environment_variables["TWILIO_MESSAGING_SERVICE_SID"] == "MG00000000000000000000000000000000"
    error_message = "The Messaging Service reaches who sends."
  }
}

run "the_webhook_is_elsewhere" {
  command = plan

  override_resource {
    target          = google_cloudfunctions2_function.function["twilio_webhook"]
    override_during = plan
    values = {
      url            = "https://elsewhere.example/twilio-webhook"
      service_config = { uri = "https://twilio-webhook-x-ue.a.run.app" }
    }
  }

  expect_failures = [output.twilio_webhook_url]
}

run "the_receipts_webhook_is_elsewhere" {
  command = plan

  override_resource {
    target          = google_cloudfunctions2_function.function["twilio_status"]
    override_during = plan
    values = {
      url            = "https://elsewhere.example/twilio-status"
      service_config = { uri = "https://twilio-status-x-ue.a.run.app" }
    }
  }

  expect_failures = [output.twilio_status_url]
}

run "a_budget" {
  command = plan
  variables {
    google_budget = { billing_account = "012345-6789AB-CDEF01", monthly = 150 }
  }

  assert {
    condition     = google_billing_budget.project[0].amount[0].specified_amount[0].units == "150" && google_billing_budget.project[0].budget_filter[0].projects == toset(["projects/123456789"])
    error_message = "The budget is for this project and of the amount that was asked for."
  }
}

run "a_budget_of_claude_above_its_cap" {
  command = plan
  variables {
    claude_usd_per_day = { budget = 60, cap = 50 }
  }
  expect_failures = [var.claude_usd_per_day]
}

run "wrong_variables" {
  command = plan
  variables {
    project_id    = "Yacht Party"
    region        = "Virginia"
    supabase_url  = "ref.supabase.co"
    alerts_to     = "nobody"
    log_level     = "ERROR"
    otlp_endpoint = "collector"
    google_budget = { billing_account = "mine" }
    twilio        = { account_sid = "AC", number = "0171", messaging_service_sid = "MG", segments_per_second = 0 }
    mail          = { domain = "verify@in.example.com", sendgrid_public_key = "key" }
  }
  expect_failures = [
    var.project_id, var.region, var.supabase_url, var.alerts_to, var.log_level, var.otlp_endpoint, var.google_budget, var.twilio, var.mail,
  ]
}
