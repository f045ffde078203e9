"""What a good SRE would say first of a Deployment, a Pod or a Service, and where that is written.

Pure: objects as the API returned them go in, findings come out. Nothing is guessed: every finding
names in its evidence the fields that it is derived from. Reading the cluster is not done here.
"""

from worker.findings.deployments import of_deployment
from worker.findings.finding import Finding, Severity
from worker.findings.pods import of_pod
from worker.findings.services import of_service

__all__ = ["Finding", "Severity", "of_deployment", "of_pod", "of_service"]
