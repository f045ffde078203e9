"""get_k8s_resource: one object, summarized."""

from shared.errors import Refusal
from shared.questions import ResourceQuestion, kind_of
from shared.results import ResourceResult
from worker.cluster import Cluster
from worker.reading.missing import not_found
from worker.reading.presenting import presented
from worker.reading.summaries import SUMMARIES
from worker.reading.texts import resource_text


def resource(cluster: Cluster, question: ResourceQuestion) -> ResourceResult | Refusal:
    """The summary of the object, whatever the case in which its kind was written."""
    kind = kind_of(question.kind)
    if isinstance(kind, Refusal):
        return kind
    shape, summarize = SUMMARIES[kind]
    found = cluster.get_as(shape, kind, question.namespace, question.name)
    if found is None:
        return not_found(kind, question.name, question.namespace)
    result = ResourceResult(namespace=question.namespace, resource=summarize(found))
    return presented(result, resource_text, narrow_with="one of the diagnostics tools")
