# Every document of this module, from its variables alone.

locals {
  account_root = "arn:${var.partition}:iam::${var.account_id}:root"

  # What `countersign sign` asks of each kind of key, and so all that a signer may ask of it.
  signing = {
    ECC_NIST_P256         = { algorithms = ["ECDSA_SHA_256"], message = "DIGEST" }
    ECC_NIST_P384         = { algorithms = ["ECDSA_SHA_384"], message = "DIGEST" }
    ECC_NIST_P521         = { algorithms = ["ECDSA_SHA_512"], message = "DIGEST" }
    ECC_NIST_EDWARDS25519 = { algorithms = ["ED25519_SHA_512"], message = "RAW" }
    ML_DSA_44             = { algorithms = ["ML_DSA_SHAKE_256"], message = "EXTERNAL_MU" }
    ML_DSA_65             = { algorithms = ["ML_DSA_SHAKE_256"], message = "EXTERNAL_MU" }
    ML_DSA_87             = { algorithms = ["ML_DSA_SHAKE_256"], message = "EXTERNAL_MU" }
    RSA_2048              = { algorithms = local.rsa, message = "DIGEST" }
    RSA_3072              = { algorithms = local.rsa, message = "DIGEST" }
    RSA_4096              = { algorithms = local.rsa, message = "DIGEST" }
  }
  rsa = [
    "RSASSA_PKCS1_V1_5_SHA_256", "RSASSA_PKCS1_V1_5_SHA_384", "RSASSA_PKCS1_V1_5_SHA_512",
    "RSASSA_PSS_SHA_256", "RSASSA_PSS_SHA_384", "RSASSA_PSS_SHA_512",
  ]
  as_countersign_signs = {
    StringEquals = {
      "kms:SigningAlgorithm" = local.signing[var.key_spec].algorithms
      "kms:MessageType"      = local.signing[var.key_spec].message
    }
  }

  # Each statement, and whether it is wanted.
  key_statements = [
    {
      wanted = true
      statement = {
        Sid       = "Administer"
        Effect    = "Allow"
        Principal = { AWS = length(var.administrator_arns) > 0 ? var.administrator_arns : [local.account_root] }
        Action = [
          "kms:CancelKeyDeletion", "kms:CreateAlias", "kms:DeleteAlias", "kms:DescribeKey", "kms:DisableKey", "kms:EnableKey",
          "kms:GetKeyPolicy", "kms:GetKeyRotationStatus", "kms:GetPublicKey", "kms:ListGrants", "kms:ListKeyPolicies",
          "kms:ListResourceTags", "kms:PutKeyPolicy", "kms:ReplicateKey", "kms:RevokeGrant", "kms:ScheduleKeyDeletion",
          "kms:TagResource", "kms:UntagResource", "kms:UpdateAlias", "kms:UpdateKeyDescription",
        ]
        Resource = "*"
      }
    },
    {
      # A key whose administrators were deleted would be nobody's for ever.
      wanted = length(var.administrator_arns) > 0
      statement = {
        Sid       = "Recover"
        Effect    = "Allow"
        Principal = { AWS = [local.account_root] }
        Action    = ["kms:DescribeKey", "kms:GetKeyPolicy", "kms:PutKeyPolicy"]
        Resource  = "*"
      }
    },
    {
      wanted = true
      statement = {
        Sid       = "Sign"
        Effect    = "Allow"
        Principal = { AWS = var.signer_arns }
        Action    = ["kms:Sign"]
        Resource  = "*"
        Condition = local.as_countersign_signs
      }
    },
    {
      wanted = true
      statement = {
        Sid       = "PublicKey"
        Effect    = "Allow"
        Principal = { AWS = concat(var.signer_arns, var.public_key_reader_arns) }
        Action    = ["kms:GetPublicKey"]
        Resource  = "*"
      }
    },
    {
      # Whatever IAM policies or grants say: those who administer a key must not be able to sign as if they were the build.
      wanted = true
      statement = {
        Sid       = "NobodyElseSigns"
        Effect    = "Deny"
        Principal = { AWS = "*" }
        Action    = ["kms:Sign"]
        Resource  = "*"
        Condition = { StringNotEquals = { "aws:PrincipalArn" = var.signer_arns } }
      }
    },
  ]

  login = {
    Sid      = "Login"
    Effect   = "Allow"
    Action   = ["ecr:GetAuthorizationToken"]
    Resource = "*"
  }

  trust_statements = [
    {
      wanted = length(var.github_subjects) > 0
      statement = {
        Sid       = "GitHub"
        Effect    = "Allow"
        Principal = { Federated = var.github_provider_arn }
        Action    = ["sts:AssumeRoleWithWebIdentity"]
        Condition = {
          StringEquals = {
            "token.actions.githubusercontent.com:aud" = "sts.amazonaws.com"
            "token.actions.githubusercontent.com:sub" = var.github_subjects
          }
        }
      }
    },
    {
      wanted = length(var.gitlab_subjects) > 0
      statement = {
        Sid       = "GitLab"
        Effect    = "Allow"
        Principal = { Federated = var.gitlab_provider_arn }
        Action    = ["sts:AssumeRoleWithWebIdentity"]
        Condition = {
          StringEquals = {
            "${var.gitlab_host}:aud" = var.gitlab_audience
            "${var.gitlab_host}:sub" = var.gitlab_subjects
          }
        }
      }
    },
    {
      wanted = length(var.codebuild_project_arns) > 0
      statement = {
        Sid       = "CodeBuild"
        Effect    = "Allow"
        Principal = { Service = "codebuild.amazonaws.com" }
        Action    = ["sts:AssumeRole"]
        Condition = {
          StringEquals = {
            "aws:SourceAccount" = var.account_id
            "aws:SourceArn"     = var.codebuild_project_arns
          }
        }
      }
    },
  ]

  key_policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [for entry in local.key_statements : entry.statement if entry.wanted]
  })

  signer_trust = jsonencode({
    Version   = "2012-10-17"
    Statement = [for entry in local.trust_statements : entry.statement if entry.wanted]
  })

  signer_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "Sign"
        Effect    = "Allow"
        Action    = ["kms:Sign"]
        Resource  = var.key_arn
        Condition = local.as_countersign_signs
      },
      {
        # Apart from the above: its condition would deny what is no signature.
        Sid      = "PublicKey"
        Effect   = "Allow"
        Action   = ["kms:GetPublicKey"]
        Resource = var.key_arn
      },
      local.login,
      {
        Sid    = "Attach"
        Effect = "Allow"
        Action = [
          "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer", "ecr:BatchCheckLayerAvailability",
          "ecr:InitiateLayerUpload", "ecr:UploadLayerPart", "ecr:CompleteLayerUpload", "ecr:PutImage",
        ]
        Resource = var.repository_arns
      },
      {
        # To take a signature away, or to point the alias at another key, is an attack.
        Sid      = "NeverRemove"
        Effect   = "Deny"
        Action   = ["ecr:BatchDeleteImage", "kms:DisableKey", "kms:ScheduleKeyDeletion", "kms:UpdateAlias"]
        Resource = "*"
      },
    ]
  })

  verifier_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      local.login,
      {
        Sid      = "Read"
        Effect   = "Allow"
        Action   = ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
        Resource = var.repository_arns
      },
    ]
  })

  alarm_pattern = jsonencode({
    source        = ["aws.kms"]
    "detail-type" = ["AWS API Call via CloudTrail"]
    detail = {
      eventSource = ["kms.amazonaws.com"]
      eventName   = ["Sign"]
      resources   = { ARN = [var.key_arn] }
      # A session of a role names the role; a user, or the account itself, has no session.
      "$or" = [
        { userIdentity = { sessionContext = { sessionIssuer = { arn = [{ "anything-but" = var.signer_arns }] } } } },
        { userIdentity = { sessionContext = { sessionIssuer = { arn = [{ exists = false }] } } } },
      ]
    }
  })

  # By tags alone: a rule for untagged images would take signatures, which have none, and one that counts counts them.
  lifecycle_policy = jsonencode({
    rules = [
      for index, pattern in keys(var.expire_tags) : {
        rulePriority = index + 1
        description  = "Tags ${pattern} expire after ${var.expire_tags[pattern]} days"
        selection = {
          tagStatus      = "tagged"
          tagPatternList = [pattern]
          countType      = "sinceImagePushed"
          countUnit      = "days"
          countNumber    = var.expire_tags[pattern]
        }
        action = { type = "expire" }
      }
    ]
  })
}
