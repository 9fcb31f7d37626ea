variable "project_id" {
  description = "The Google Cloud project, e.g. yachtparty-prod."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.project_id))
    error_message = "project_id must be a project's id: 6 to 30 lower-case letters, digits and hyphens."
  }
}

variable "region" {
  description = "Where everything runs; near the database, e.g. us-east1."
  type        = string

  validation {
    condition     = can(regex("^[a-z]+-[a-z]+[0-9]$", var.region))
    error_message = "region must be one of Google Cloud's, such as us-east1."
  }
}

variable "supabase_url" {
  description = "The address of the Supabase project, https://REF.supabase.co."
  type        = string

  validation {
    condition     = can(regex("^https://[a-z0-9.-]+$", var.supabase_url))
    error_message = "supabase_url must be https:// and a host, without a path."
  }
}

variable "twilio" {
  description = "The Twilio account (AC…), its number, and, where texts leave through one, the Messaging Service (MG…). segments_per_second is what the sender may send; handles_keywords says that Twilio answers STOP, START and HELP itself."
  type = object({
    account_sid           = string
    number                = string
    messaging_service_sid = optional(string)
    segments_per_second   = optional(number, 10)
    handles_keywords      = optional(bool, true)
  })

  validation {
    condition     = can(regex("^AC[0-9a-fA-F]{32}$", var.twilio.account_sid))
    error_message = "twilio.account_sid must be AC and 32 hexadecimal digits."
  }
  validation {
    condition     = can(regex("^\\+[1-9][0-9]{6,14}$", var.twilio.number))
    error_message = "twilio.number must be in the form +12125550100."
  }
  validation {
    condition     = var.twilio.messaging_service_sid == null || can(regex("^MG[0-9a-fA-F]{32}$", var.twilio.messaging_service_sid))
    error_message = "twilio.messaging_service_sid must be MG and 32 hexadecimal digits."
  }
  validation {
    condition     = var.twilio.segments_per_second > 0
    error_message = "twilio.segments_per_second must be more than 0."
  }
}

variable "mail" {
  description = "The domain to which members write to prove an e-mail, e.g. in.example.com, and the key with which SendGrid signs its calls (base64, as SendGrid shows it)."
  type = object({
    domain              = string
    sendgrid_public_key = string
  })

  validation {
    condition     = can(regex("^([a-z0-9]([a-z0-9-]*[a-z0-9])?\\.)+[a-z]{2,63}$", var.mail.domain))
    error_message = "mail.domain must be a domain in lower case."
  }
  validation {
    condition     = can(regex("^[A-Za-z0-9+/]{80,300}={0,2}$", var.mail.sendgrid_public_key))
    error_message = "mail.sendgrid_public_key must be SendGrid's public key in base64."
  }
}

variable "claude_usd_per_day" {
  description = "What Claude may cost on one day (UTC), in US dollars: at `budget` the operators are told, at `cap` nobody is answered until tomorrow."
  type = object({
    budget = optional(number, 40)
    cap    = optional(number, 50)
  })
  default = {}

  validation {
    condition     = 0 < var.claude_usd_per_day.budget && var.claude_usd_per_day.budget < var.claude_usd_per_day.cap
    error_message = "claude_usd_per_day.budget must be more than 0 and less than the cap, or nobody is told before the cap is reached."
  }
}

variable "alerts_to" {
  description = "The e-mail address to which alerts go."
  type        = string

  validation {
    condition     = can(regex("^[^@\\s]+@[^@\\s]+\\.[^@\\s]+$", var.alerts_to))
    error_message = "alerts_to must be an e-mail address."
  }
}

variable "google_budget" {
  description = "The billing account (XXXXXX-XXXXXX-XXXXXX) and what the project may cost on Google in a month, in the account's currency, before its administrators are told. Null: no budget, for operators without rights on the billing account."
  type = object({
    billing_account = string
    monthly         = optional(number, 200)
  })
  default = null

  validation {
    condition     = var.google_budget == null || can(regex("^[0-9A-F]{6}-[0-9A-F]{6}-[0-9A-F]{6}$", var.google_budget.billing_account))
    error_message = "google_budget.billing_account must be in the form 012345-6789AB-CDEF01."
  }
}

variable "log_level" {
  description = "The least severe lines that the functions log. Above INFO the alerts have nothing to go by."
  type        = string
  default     = "INFO"

  validation {
    condition     = contains(["DEBUG", "INFO"], var.log_level)
    error_message = "log_level must be DEBUG or INFO: the alerts are made of lines at INFO."
  }
}

variable "otlp_endpoint" {
  description = "Where OpenTelemetry spans go (OTLP over HTTP). Null: nowhere."
  type        = string
  default     = null

  validation {
    condition     = var.otlp_endpoint == null || can(regex("^https?://", var.otlp_endpoint))
    error_message = "otlp_endpoint must be a URL."
  }
}
