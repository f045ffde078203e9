"""The pages people see here: choosing who to be, signing out, and what went wrong."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import HTMLResponse

from dev.issuer.people import PEOPLE, Person
from dev.issuer.redirects import origin
from dev.issuer.requests import AuthorizationRequest
from dev.issuer.sessions import Session

FOLDER = Path(__file__).parent
_SCOPES = {
    "openid": "who you are",
    "profile": "your name",
    "mcp:tools": "use all InfraGate tools",
    "mcp:tools.read": "read from the cluster",
    "mcp:tools.plan": "ask for changes",
    "mcp:tools.apply": "apply changes that were approved",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginForm:
    """What the login form carries: `ticket` names the request, `csrf` proves who got the page."""

    ticket: str
    csrf: str


class Pages:
    """Renders the templates; every value is escaped, and nothing runs."""

    def __init__(self) -> None:
        self._templates = Environment(
            loader=FileSystemLoader(FOLDER / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
        )

    def login(
        self, request: AuthorizationRequest, session: Session | None, form: LoginForm
    ) -> HTMLResponse:
        to = request.destination
        return self._page(
            "login.html",
            client=to.client,
            returns_to=origin(to.redirect_uri),
            scopes=[_SCOPES.get(scope, scope) for scope in request.scope],
            resource=request.resource,
            people=list(_hinted_first(request.login_hint)),
            current=PEOPLE.get(session.subject) if session else None,
            form=form,
        )

    def logout(self, session: Session | None) -> HTMLResponse:
        person = PEOPLE.get(session.subject) if session else None
        return self._page("logout.html", person=person)

    def message(self, title: str, text: str, status: int = 200) -> HTMLResponse:
        return self._page("message.html", status=status, title=title, text=text)

    def _page(self, name: str, *, status: int = 200, **values: object) -> HTMLResponse:
        return HTMLResponse(self._templates.get_template(name).render(values), status)


def _hinted_first(hint: str | None) -> Sequence[Person]:
    return sorted(PEOPLE.values(), key=lambda person: person.subject != hint)
