# Tells that somebody else than the signers used the key. The policy of the key lets nobody, until somebody changes it.

resource "aws_cloudwatch_event_rule" "unexpected_signature" {
  count = length(var.alarm_target_arns) > 0 ? 1 : 0

  name          = "${var.name}-unexpected-signature"
  description   = "Somebody who is no signer used the key ${var.name}"
  event_pattern = module.policies.alarm_pattern
  # CloudTrail calls Sign a read-only event, which rules that are merely enabled are not shown.
  state = "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS"
  tags  = var.tags
}

resource "aws_cloudwatch_event_target" "unexpected_signature" {
  count = length(var.alarm_target_arns)

  rule = aws_cloudwatch_event_rule.unexpected_signature[0].name
  arn  = var.alarm_target_arns[count.index]
}
