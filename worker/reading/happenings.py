"""get_k8s_events: what happened lately in a namespace."""

from shared.questions import EventsQuestion
from shared.results import EventsResult
from shared.selectors import event_field_selector
from worker.cluster import Cluster
from worker.reading.presenting import presented
from worker.reading.rows import event_row
from worker.reading.texts import events_text


def events(cluster: Cluster, question: EventsQuestion) -> EventsResult:
    """The newest `limit` events that the selectors leave, newest first."""
    fields = question.field_selector.strip()
    found = cluster.events(
        question.namespace,
        label_selector=question.label_selector.strip() or None,
        field_selector=event_field_selector(fields) if fields else None,
        limit=question.limit,
    )
    result = EventsResult(
        namespace=question.namespace,
        total=found.total,
        truncated=found.truncated,
        events=[event_row(event) for event in found.items],
    )
    return presented(result, events_text, narrow_with="fieldSelector or a smaller limit")
