"""Whether an applier's statement is about the plan and person that a page is about."""

from pydantic import ValidationError

from api.reviewed import Reviewed
from shared.approvals import SignedStatement
from shared.errors import Refusal
from shared.manifests import JSON
from shared.plans import Identity


def statement_about(shown: Reviewed, approver: Identity, answer: JSON) -> SignedStatement | Refusal:
    """The answer as a statement about exactly this plan and person; another one is refused."""
    try:
        signed = SignedStatement.model_validate(answer)
    except ValidationError:
        return _wrong_statement()
    statement = signed.statement
    about = (statement.plan_id, statement.plan_digest, statement.approver, statement.cluster_id)
    if about != (shown.plan.id, shown.digest, approver, shown.plan.cluster.id):
        return _wrong_statement()
    return signed


def _wrong_statement() -> Refusal:
    return Refusal(
        code="statement_of_another_plan",
        message="The answer to the approval was about another plan or person.",
    )
