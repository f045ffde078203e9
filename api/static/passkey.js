// Asks the browser for a passkey and posts what it answers. What it needs stands in the form's data
// attributes. Nobody believes what it sends: the applier checks a signature, an operator six words.
"use strict";

const PATIENCE_MS = 120_000;
const ALGORITHMS = [-7, -8, -257]; // ES256, EdDSA, RS256

const raw = (text) =>
  Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));

const base64url = (buffer) =>
  btoa(String.fromCharCode(...new Uint8Array(buffer)))
    .replaceAll("+", "-")
    .replaceAll("/", "_")
    .replaceAll("=", "");

const listed = (ids) =>
  ids.split(" ").filter(Boolean).map((id) => ({ type: "public-key", id: raw(id) }));

async function signed({ challenge, rpId }, ids) {
  const { rawId, response } = await navigator.credentials.get({
    publicKey: {
      challenge: raw(challenge),
      rpId,
      allowCredentials: listed(ids),
      userVerification: "required",
      timeout: PATIENCE_MS,
    },
  });
  return {
    credential_id: base64url(rawId),
    client_data: base64url(response.clientDataJSON),
    authenticator_data: base64url(response.authenticatorData),
    signature: base64url(response.signature),
  };
}

async function created({ challenge, rpId, exclude, userId, userName, userLabel }) {
  const { rawId, response } = await navigator.credentials.create({
    publicKey: {
      challenge: raw(challenge),
      rp: { id: rpId, name: "InfraGate approvals" },
      user: { id: raw(userId), name: userName, displayName: userLabel },
      pubKeyCredParams: ALGORITHMS.map((alg) => ({ type: "public-key", alg })),
      excludeCredentials: listed(exclude),
      authenticatorSelection: { residentKey: "preferred", userVerification: "required" },
      attestation: "none",
      timeout: PATIENCE_MS,
    },
  });
  return {
    id: base64url(rawId),
    client_data: base64url(response.clientDataJSON),
    attestation_object: base64url(response.attestationObject),
    public_key: base64url(response.getPublicKey()),
  };
}

// Some browsers want a new press for the second question: then the first answer is kept.
async function enrolled(form) {
  form.made ??= await created(form.dataset);
  const { id, ...made } = form.made;
  return { ...made, assertion: await signed(form.dataset, id) };
}

const REASONS = {
  InvalidStateError: "This device holds a passkey of yours already; use another one.",
  NotAllowedError: "No passkey was used: it was cancelled, took too long, or there is none here.",
  NotSupportedError: "This device offers no passkey that can be used here.",
  SecurityError: "The browser does not allow passkeys at this address.",
};

for (const form of document.querySelectorAll("form[data-passkey]")) {
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const button = form.querySelector("button");
    const told = form.querySelector("[role=status]");
    button.disabled = true;
    told.textContent = "Waiting for your passkey …";
    try {
      const answer =
        form.dataset.passkey === "create"
          ? await enrolled(form)
          : await signed(form.dataset, form.dataset.credentials);
      form.elements.answer.value = JSON.stringify(answer);
      form.submit();
    } catch (error) {
      const reason = REASONS[error.name] ?? `The browser refused (${error.name}).`;
      told.textContent = `${reason} Nothing was sent. Press the button to try again.`;
      button.disabled = false;
    }
  });
}
