# Repositories whose tags nobody moves, and from which no rule takes signatures away.

resource "aws_ecr_repository" "images" {
  for_each = var.repositories

  name                 = each.value
  image_tag_mutability = var.fallback_tags ? "IMMUTABLE_WITH_EXCLUSION" : "IMMUTABLE"
  tags                 = var.tags

  dynamic "image_tag_mutability_exclusion_filter" {
    for_each = var.fallback_tags ? ["sha256-*"] : []

    content {
      filter      = image_tag_mutability_exclusion_filter.value
      filter_type = "WILDCARD"
    }
  }
}

resource "aws_ecr_lifecycle_policy" "images" {
  for_each = length(var.expire_tags) > 0 ? var.repositories : toset([])

  repository = aws_ecr_repository.images[each.value].name
  policy     = module.policies.lifecycle_policy
}
