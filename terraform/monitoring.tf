# What operators are told, out of lines that the functions write (watch.yaml). Each alert's runbook is
# in docs/operations.md under the alert's name.

locals {
  metrics = yamldecode(file("${path.module}/watch.yaml")).metrics

  # A line's condition in the language of Cloud Logging: field=("a" OR "b") AND ….
  filters = { for name, metric in local.metrics : name => join(" OR ", [for line in metric.lines :
    format("(%s)", join(" AND ", [
      for field, values in merge({ logger = [line.logger], message = [line.message] }, line.fields) :
      format("jsonPayload.%s=(%s)", field, join(" OR ", [for value in values : jsonencode(value)]))
    ]))
  ]) }

  # The metrics in the language of Cloud Monitoring.
  series = { for name, metric in local.metrics : name =>
    "metric.type=\"logging.googleapis.com/user/${google_logging_metric.metric[name].name}\" AND resource.type=\"cloud_run_revision\""
  }

  # Each fires when `value` is over `above` for all of its conditions, or for one of them (`any`).
  alerts = {
    "Dead letters" = {
      severity = "ERROR"
      any      = true
      conditions = {
        "an event or task was given up" = { filter = local.series.dead_letters, window = "300s", align = "ALIGN_DELTA", reduce = "REDUCE_SUM", above = 0 }
        "Pub/Sub gave up a push" = {
          filter = "metric.type=\"pubsub.googleapis.com/subscription/num_undelivered_messages\" AND resource.type=\"pubsub_subscription\" AND resource.labels.subscription_id=monitoring.regex.full_match(\".*-dead-letter\")"
          window = "300s", align = "ALIGN_MAX", reduce = "REDUCE_SUM", above = 0
        }
      }
    }
    "Delivery failures" = {
      severity = "ERROR"
      conditions = {
        "more than 5 % of texts" = {
          filter = "${local.series.texts_ended} AND metric.labels.status!=\"delivered\""
          of     = local.series.texts_ended
          window = "3600s", align = "ALIGN_DELTA", reduce = "REDUCE_SUM", above = 0.05
        }
      }
    }
    "Agent errors" = {
      severity = "ERROR"
      conditions = {
        "more than 2 % of events and tasks" = {
          filter = "${local.series.agent_steps} AND metric.labels.outcome!=\"applied\""
          of     = local.series.agent_steps
          window = "3600s", align = "ALIGN_DELTA", reduce = "REDUCE_SUM", above = 0.02
        }
      }
    }
    "Events wait" = {
      severity = "CRITICAL"
      conditions = {
        "one is not processed for 5 minutes" = { filter = local.series.oldest_open_event, window = "60s", align = "ALIGN_DELTA", reduce = "REDUCE_MEAN", above = 300 }
      }
    }
    "Claude costs more than planned" = {
      severity = "WARNING"
      conditions = {
        "more than the day's budget" = { filter = local.series.spent_today, window = "60s", align = "ALIGN_DELTA", reduce = "REDUCE_MEAN", above = var.claude_usd_per_day.budget }
      }
    }
  }
}

resource "google_logging_metric" "metric" {
  for_each = local.metrics

  name        = "yachtparty_${each.key}"
  description = each.value.description
  filter      = "resource.type=\"cloud_run_revision\" AND (${local.filters[each.key]})"

  value_extractor  = can(each.value.value) ? "EXTRACT(jsonPayload.${each.value.value})" : null
  label_extractors = can(each.value.label) ? { (each.value.label) = "EXTRACT(jsonPayload.${each.value.label})" } : {}

  metric_descriptor {
    metric_kind = "DELTA"
    value_type  = can(each.value.value) ? "DISTRIBUTION" : "INT64"
    unit        = try(each.value.unit, "1")

    dynamic "labels" {
      for_each = can(each.value.label) ? [each.value.label] : []
      content {
        key        = labels.value
        value_type = "STRING"
      }
    }
  }

  # From 1 to about 4 million by factors of √2. Only percentiles are as coarse as that, means are not.
  dynamic "bucket_options" {
    for_each = can(each.value.value) ? [1] : []
    content {
      exponential_buckets {
        num_finite_buckets = 44
        growth_factor      = 1.4142
        scale              = 1
      }
    }
  }

  depends_on = [google_project_service.api]
}

# Cloud Monitoring knows a new metric after up to 10 minutes, and refuses an alert on it before that.
# They pass while the functions are built.
resource "time_sleep" "metrics" {
  create_duration = "600s"
  triggers        = { metrics = jsonencode(keys(local.metrics)) }

  depends_on = [google_logging_metric.metric]
}

resource "google_monitoring_notification_channel" "operators" {
  display_name = "Operators"
  type         = "email"
  labels       = { email_address = var.alerts_to }

  depends_on = [google_project_service.api]
}

resource "google_monitoring_alert_policy" "alert" {
  for_each = local.alerts

  display_name          = each.key
  severity              = each.value.severity
  combiner              = try(each.value.any, false) ? "OR" : "AND"
  notification_channels = [google_monitoring_notification_channel.operators.id]

  documentation {
    mime_type = "text/markdown"
    content   = "Runbook: docs/operations.md, \"${each.key}\"."
  }

  dynamic "conditions" {
    for_each = each.value.conditions
    content {
      display_name = conditions.key

      condition_threshold {
        filter             = conditions.value.filter
        denominator_filter = try(conditions.value.of, null)
        comparison         = "COMPARISON_GT"
        threshold_value    = conditions.value.above
        duration           = "0s"

        aggregations {
          alignment_period     = conditions.value.window
          per_series_aligner   = conditions.value.align
          cross_series_reducer = conditions.value.reduce
        }

        dynamic "denominator_aggregations" {
          for_each = can(conditions.value.of) ? [1] : []
          content {
            alignment_period     = conditions.value.window
            per_series_aligner   = conditions.value.align
            cross_series_reducer = conditions.value.reduce
          }
        }
      }
    }
  }

  alert_strategy {
    auto_close = "86400s"
  }

  depends_on = [time_sleep.metrics, google_cloudfunctions2_function.function]
}

# Half of the alerts above are made of the sweeper's lines: its silence must not look like peace.
resource "google_monitoring_alert_policy" "silence" {
  display_name          = "The sweeper is silent"
  severity              = "CRITICAL"
  combiner              = "OR"
  notification_channels = [google_monitoring_notification_channel.operators.id]

  documentation {
    mime_type = "text/markdown"
    content   = "Runbook: docs/operations.md, \"The sweeper is silent\"."
  }

  conditions {
    display_name = "no sweep has come to its end for 10 minutes"

    condition_threshold {
      filter                  = local.series.sweeps
      comparison              = "COMPARISON_LT"
      threshold_value         = 1
      duration                = "60s"
      evaluation_missing_data = "EVALUATION_MISSING_DATA_ACTIVE"

      aggregations {
        alignment_period     = "600s"
        per_series_aligner   = "ALIGN_DELTA"
        cross_series_reducer = "REDUCE_SUM"
      }
    }
  }

  alert_strategy {
    auto_close = "86400s"
  }

  depends_on = [time_sleep.metrics, google_cloudfunctions2_function.function]
}

resource "google_monitoring_dashboard" "yachtparty" {
  dashboard_json = jsonencode({
    displayName = "Yachtparty"
    mosaicLayout = {
      columns = 12
      tiles = [for n, chart in [
        { title = "Texts by what became of them", filter = local.series.texts_ended, align = "ALIGN_DELTA", reduce = "REDUCE_SUM", by = ["metric.label.status"] },
        { title = "Events and tasks by outcome", filter = local.series.agent_steps, align = "ALIGN_DELTA", reduce = "REDUCE_SUM", by = ["metric.label.outcome"] },
        { title = "From a text's event to its answer at Twilio (ms, median)", filter = local.series.turn_duration, align = "ALIGN_DELTA", reduce = "REDUCE_PERCENTILE_50", by = [] },
        { title = "From a text's event to its answer at Twilio (ms, 95th percentile)", filter = local.series.turn_duration, align = "ALIGN_DELTA", reduce = "REDUCE_PERCENTILE_95", by = [] },
        { title = "Seconds that the oldest open event waits", filter = local.series.oldest_open_event, align = "ALIGN_DELTA", reduce = "REDUCE_MEAN", by = [] },
        { title = "US dollars for Claude since midnight UTC", filter = local.series.spent_today, align = "ALIGN_DELTA", reduce = "REDUCE_MEAN", by = [] },
        { title = "Dead letters", filter = local.series.dead_letters, align = "ALIGN_DELTA", reduce = "REDUCE_SUM", by = [] },
        { title = "Answers of functions by status", filter = "metric.type=\"run.googleapis.com/request_count\" AND resource.type=\"cloud_run_revision\"", align = "ALIGN_DELTA", reduce = "REDUCE_SUM", by = ["resource.label.service_name", "metric.label.response_code_class"] },
        ] : {
        xPos   = (n % 2) * 6
        yPos   = floor(n / 2) * 4
        width  = 6
        height = 4
        widget = {
          title = chart.title
          xyChart = {
            dataSets = [{
              plotType = "LINE"
              timeSeriesQuery = { timeSeriesFilter = {
                filter = chart.filter
                aggregation = {
                  alignmentPeriod    = "300s"
                  perSeriesAligner   = chart.align
                  crossSeriesReducer = chart.reduce
                  groupByFields      = chart.by
                }
              } }
            }]
          }
        }
      }]
    }
  })

  depends_on = [google_project_service.api]
}

resource "google_billing_budget" "project" {
  count = var.google_budget == null ? 0 : 1

  billing_account = var.google_budget.billing_account
  display_name    = "Yachtparty on ${var.project_id}"

  budget_filter {
    projects = ["projects/${data.google_project.project.number}"]
  }

  amount {
    specified_amount {
      units = tostring(floor(var.google_budget.monthly))
    }
  }

  dynamic "threshold_rules" {
    for_each = [0.5, 0.9, 1]
    content {
      threshold_percent = threshold_rules.value
    }
  }

  depends_on = [google_project_service.api]
}
