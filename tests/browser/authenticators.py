"""Chromium's virtual authenticator: a device with a PIN that its person always knows and enters."""

from dataclasses import dataclass
from typing import Any

from playwright.sync_api import CDPSession, Page


@dataclass(frozen=True, slots=True, kw_only=True)
class VirtualAuthenticator:
    """One device, plugged into one tab."""

    cdp: CDPSession
    id: str

    @classmethod
    def plugged_into(cls, page: Page) -> "VirtualAuthenticator":
        cdp = page.context.new_cdp_session(page)
        cdp.send("WebAuthn.enable")
        options = {
            "protocol": "ctap2",
            "transport": "internal",
            "hasResidentKey": True,
            "hasUserVerification": True,
            "isUserVerified": True,
            "automaticPresenceSimulation": True,
        }
        made = cdp.send("WebAuthn.addVirtualAuthenticator", {"options": options})
        return cls(cdp=cdp, id=made["authenticatorId"])

    @property
    def credentials(self) -> list[dict[str, Any]]:
        """The passkeys in it."""
        found = self.cdp.send("WebAuthn.getCredentials", {"authenticatorId": self.id})
        return list(found["credentials"])

    def given(self, credential: dict[str, Any]) -> None:
        """Puts a passkey into it, with its private key."""
        self.cdp.send(
            "WebAuthn.addCredential", {"authenticatorId": self.id, "credential": credential}
        )

    def knows_the_pin(self, known: bool) -> None:
        """Whether the person is recognized from now on."""
        self.cdp.send(
            "WebAuthn.setUserVerified", {"authenticatorId": self.id, "isUserVerified": known}
        )
