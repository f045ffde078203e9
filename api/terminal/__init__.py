"""An approver's own terminal: shows a sealed plan and signs in for it, trusting no page.

What decides here are keys that the approver pinned: the plan must be under a planner's seal, the
statement under an applier's signature, and the login is readable by the applier alone. Pages, the
approvals service and Redis carry bytes; none of them is believed.
"""
