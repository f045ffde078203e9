"""The codes of refusals and faults that metrics may show: all there are, so their number is known.

A code that a worker answered has been through Redis, whose owner can write any. As a label of a
metric, each new value costs memory for good, and a made-up one could carry a name.
"""

from typing import Final

OTHER: Final = "other"
"""What a code is called that is none of ours."""

_ABOUT_CALLS: Final = """
answer_too_large call_unreadable invalid_arguments no_caller unknown_tool verb_of_another_role
"""
_ABOUT_QUESTIONS: Final = """
container_required invalid_field_selector invalid_label_selector invalid_limit invalid_name
invalid_query invalid_tail_lines name_required namespace_ambiguous namespace_not_allowed
namespace_required no_log_yet no_previous_log not_found unknown_container unsupported_kind
"""
_ABOUT_REQUESTS: Final = """
already_exists conflict denied_by_admission duplicate_object empty_manifest field_manager_conflict
forbidden_by_rbac guardrail image_required invalid_image invalid_manifest invalid_object
invalid_replicas manifest_required manifest_too_large namespace_conflict plan_too_large
reason_too_long
"""
_ABOUT_PLANS: Final = """
already_applying already_decided approval_expired approval_required approvals_missing claim_missing
closing_unreadable invalid_wait no_such_plan not_permitted plan_expired plan_of_another_cluster
plan_seal_broken plan_unreadable receipt_forged receipt_of_another_plan receipt_unreadable
receipt_without_passkey
plan_pending plan_approved plan_applying plan_applied plan_failed plan_outcome_unknown plan_denied
plan_cancelled plan_revoked plan_stale plan_superseded
rollback_nothing rollback_overtaken rollback_too_early
"""
_ABOUT_APPROVALS: Final = """
already_approved_by_you challenge_expired four_eyes not_an_approver passkey_missing
passkey_not_awaited
passkey_required passkey_unreadable passkey_unknown passkey_signature passkey_type
passkey_challenge passkey_origin passkey_cross_origin passkey_rp_id passkey_user_absent
passkey_user_unverified proof_acr proof_audience proof_authorized_party proof_decision
proof_expired proof_from_the_future proof_issuer proof_nonce proof_not_an_id_token proof_not_fresh
proof_of_somebody_else proof_replayed proof_times proof_too_old proof_unreadable statement_forged
statement_of_another_plan statement_unreadable
"""
_ABOUT_TOKENS: Final = """
claim_audience claim_client claim_confirmation claim_expired claim_issuer claim_lifetime
claim_not_yet claim_purpose claim_scope claim_subject claim_times dpop_binding dpop_proof
token_algorithm token_claims token_encoding token_header token_header_forbidden token_key_mismatch
token_kid token_parts token_signature token_size token_type token_unknown_key
"""
_FAULTS: Final = """
audit_unavailable bad_configuration clocks_differ cluster_fault cluster_throttled cluster_timeout
cluster_unauthorized cluster_unreachable identity_provider_unavailable internal_fault list_expired
caller_left no_worker queue_full redis_unavailable worker_timeout
"""
_ABOUT_MESSAGES: Final = """
message_content_type message_no_deadline message_of_another_task message_renamed
message_retry message_scheduled message_stamped message_too_large message_unaddressed
message_undated message_unknown_header message_unreadable message_workflow
"""

_ALL: Final = (
    *(_ABOUT_CALLS, _ABOUT_QUESTIONS, _ABOUT_REQUESTS, _ABOUT_PLANS, _ABOUT_APPROVALS),
    *(_ABOUT_TOKENS, _FAULTS, _ABOUT_MESSAGES),
)

CODES: Final = frozenset(code for codes in _ALL for code in codes.split())


def known(code: str) -> str:
    """Returns the code, or `OTHER` when it is none of ours."""
    return code if code in CODES else OTHER
