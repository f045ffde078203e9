"""What an instruction to a model reads like, as patterns over folded text; no text is read here.

Folded text is lower-case words with single blanks, where look-alikes are undone, punctuation is
gone and leetspeak is read as letters; as `1` may stand for `i` or `l`, both are written `i`. The
patterns are written in plain English and folded by `_rule`; a blank also matches a line's end.
"""

import re
from typing import NamedTuple


class Rule(NamedTuple):
    """A kind of instruction: tried wherever one of the anchors stands."""

    kind: str
    anchors: tuple[str, ...]
    pattern: re.Pattern[str]


def folded(word: str) -> str:
    """Return a lower-case word as folding leaves it."""
    return word.replace("l", "i")


def _rule(kind: str, anchors: str, rest: str, before: str = "") -> Rule:
    """Make a rule: one of the anchors (`|` between them), then `rest`. `~3` is up to 3 words."""
    source = rf"(?:{anchors})\b{rest}"
    source = re.sub(r"~(\d)", r"(?: \\w{1,40}){0,\1}?", source)
    source = folded(source).replace(" ", r"[ \n]{1,2}")
    return Rule(
        kind,
        tuple(folded(anchor).split(" ")[0] for anchor in dict.fromkeys(anchors.split("|"))),
        re.compile(r"(?<!\w)" + folded(before) + source),
    )


_QUALIFIER = (
    "(?:all|any|every|each|of|the|your|my|our|these|those|this|that|previous|previously|prior|above"
    "|earlier|preceding|past|former|existing|current|initial|original|system|developer|safety|and"
    "|security|other|or|foregoing|given|user|ai|hidden|internal|aforementioned|operator|such)"
)
_AIMED = "(?:your|previous|prior|preceding|earlier|former|original|initial|system|safety)"
_OF_A_MODEL = r"(?:instructions?|prompts?|guidelines|directives?|programming|training|guardrails)"
_OF_ANYBODY = r"(?:rules|messages?|commands?|context|restrictions?|constraints?|polic(?:y|ies))"
_HIDDEN_TEXT = (
    r"(?:(?:system|initial|hidden|original|developer) (?:prompt|message|instructions?)"
    r"|your (?:\w{1,20} )?(?:prompt|instructions|guidelines|directives|rules))"
)
_OUR_TOOLS = (
    "(?:apply approved plan|request apply manifest|request delete manifest|request scale deployment"
    "|request restart deployment|request set deployment image|cancel plan|approve plan)"
)
_KUBECTL = (
    r"kubectl(?: \w{1,40}){0,4}? (?:delete|apply|exec|create|patch|edit|scale|drain|cordon|run|cp"
    "|get|set)"
)
_SECRETS = (
    r"(?:secrets?|tokens?|passwords?|credentials?|api keys?|private keys?|kubeconfig|ssh keys?"
    r"|env(?:ironment)? var(?:iable)?s|environment)"
)
_NO_REPORT = r"(?<!failed\sto\s)(?<!unable\sto\s)(?<!cannot\s)(?<!not\s)(?<!trying\sto\s)"
_CONSENT = (
    "(?:approved|authori[sz]ed|granted|confirmed|consented|permitted|signed off|given"
    " (?:\\w{1,20} )?"
    "(?:approval|permission|consent))"
)

RULES: tuple[Rule, ...] = (
    _rule(
        "ignore-instructions",
        "ignore|disregard|forget|override|bypass|discard|neglect|do not follow|dont follow"
        "|do not obey"
        "|stop following|stop obeying|pay no attention to",
        rf"(?: {_QUALIFIER}){{0,8}} (?:{_OF_A_MODEL}"
        rf"|(?:{_AIMED}|all)(?: {_QUALIFIER}){{0,3}} {_OF_ANYBODY})\b",
    ),
    _rule(
        "ignore-instructions",
        "ignore|disregard|forget",
        r" (?:everything|anything|all)~4 (?:above|before|previous\w*|prior|said|told|know"
        r"|instructed)\b",
    ),
    _rule(
        "ignore-instructions",
        "new|updated|revised|real|actual",
        r" (?:system |developer )?(?:instructions?|directives?) (?:for you|to you|you must|follow"
        r"|are as follows|supersede|override|replace)\b",
    ),
    _rule(
        "ignore-instructions",
        "your",
        r" (?:new|real|actual|only) (?:task|goal|role|objective|instructions?|purpose|mission)"
        r" (?:is|are)\b",
    ),
    _rule("ignore-instructions", "from", r" (?:now|this point) on (?:you|your)\b"),
    _rule(
        "ignore-instructions",
        "you are now|act as|pretend to be|pretend you are|pretend that you are|you are no longer",
        r" (?:an? |the )?(?:ai|assistant|dan|root|admin\w{0,10}|unrestricted|unfiltered"
        r"|jailbroken|free"
        r"|different|helpful|malicious|developer mode|hacker|operator|cluster admin|bound"
        r"|restricted"
        r"|limited|subject)\b",
    ),
    _rule(
        "reveal-prompt",
        "reveal|show|print|output|repeat|display|leak|disclose|dump|tell|give|share|expose"
        "|recite|what"
        "|write|summarize|translate|include",
        rf"~5 {_HIDDEN_TEXT}\b",
    ),
    _rule(
        "reveal-prompt", "repeat|print|output", r" (?:everything|all|the text|the words)~2 above\b"
    ),
    _rule("tool-use", "call|invoke", r" (?:the|this|that|your|our|an?)~3 (?:tools?|mcp server)\b"),
    _rule(
        "tool-use",
        "use|run|execute",
        r" (?:your|the available|the mcp|one of your)~2 tools? (?:to|and|now)\b",
    ),
    _rule(
        "tool-use",
        "call|invoke|run|use|execute|trigger|issue|submit|proceed|now|immediately|please|and|then",
        rf"~4 {_OUR_TOOLS}\b",
    ),
    _rule("tool-use", "apply approved plan", r" (?:with|now|immediately|on|using|plan id)\b"),
    _rule("tool-use", "run|execute|type|issue|use|call|invoke|please", rf"~4 {_KUBECTL}\b"),
    _rule(
        "secret-exfiltration",
        "send|post|upload|forward|email|leak|transmit|submit|paste|copy|curl|pipe",
        rf"~3 {_SECRETS}~4 (?:to|at|into|via) (?:\w{{1,40}} ){{0,3}}?(?:https?|url|server"
        rf"|webhook|me|us"
        r"|endpoint|address|channel|attacker|email|chat|the conversation|your (?:answer|reply"
        r"|response))\b",
        before=_NO_REPORT,
    ),
    _rule(
        "secret-exfiltration",
        "print|reveal|show|dump|include|output|read|list|give me|tell me|fetch|write|encode",
        rf"~3 {_SECRETS}~4 (?:in|as|into|with|to) (?:your|the|this) (?:\w{{1,20}} )?(?:answer"
        rf"|reply|response"
        r"|output|summary|message|chat|conversation|user|next)\b",
    ),
    _rule("secret-exfiltration", "exfiltrate", r"\b"),
    _rule(
        "secret-exfiltration",
        "reveal|tell me|give me|show me|send me",
        rf" (?:\w{{1,20}} )?(?:all |the |your |any |every ){{1,4}}(?:\w{{1,20}} )?{_SECRETS}\b",
    ),
    _rule(
        "authority-override",
        "operator|operators|administrator|administrators|approver|approvers|human|owner|supervisor"
        "|security|platform|sre|anthropic|openai|developer|cluster",
        rf"(?: team| admin)?(?: \w{{1,20}}){{0,3}}? already (?:\w{{1,20}} )?{_CONSENT}\b",
    ),
    _rule(
        "authority-override",
        "user|admin|manager|management|everyone|team",
        rf" (?:has |have )?(?:already |pre |fully ){{1,2}}{_CONSENT} (?:this|the|your|all|any"
        rf"|these)~2"
        r" (?:change|action|plan|request|operation|deletion|command|step|call|execution)s?\b",
    ),
    _rule(
        "authority-override",
        "approval|confirmation|permission|human review|human approval",
        r" (?:is |was |has been )?(?:not (?:needed|required|necessary)|unnecessary|waived"
        r"|already (?:been )?(?:given|granted|obtained)|pre granted)\b",
    ),
    _rule(
        "authority-override",
        "do not|dont|no need to|without|never",
        r" (?:ask|asking|wait|waiting|request|requesting)~4 (?:approval|permission|confirmation"
        r"|consent)\b",
    ),
    _rule(
        "authority-override",
        "skip|bypass|circumvent|evade|disable",
        r" (?:the |all |any |your |human ){1,3}(?:\w{1,20} )?(?:approval|approvals|confirmation"
        r"|guardrails?"
        r"|safety checks?|human review)\b",
    ),
    _rule(
        "authority-override",
        "you are|you have been",
        r" (?:now|hereby|already|pre|fully|granted)(?: \w{1,20})? (?:authori[sz]ed|allowed"
        r"|permitted|granted"
        r"|cleared|approved|admin|root|full|access|permission)\b",
    ),
    _rule(
        "authority-override",
        "attention|note to|message to|message for|instructions to|instructions for"
        "|instruction for|dear"
        "|hey|hello|important",
        r" (?:to |for )?(?:the |all |any |every )?(?:ai|llm|language model|ai assistant|ai agent"
        r"|assistant"
        r"|claude|chatgpt|gpt|copilot|gemini)s?\b",
    ),
    _rule("authority-override", "as an ai|if you are an ai|if you are an llm", r"\b"),
    _rule("authority-override", "emergency|authorized|administrative", r" override\b"),
)

_FILL = (
    "(?:all|any|every|of|the|your|my|our|these|those|this|previous|prior|above|earlier|preceding"
    "|past"
    "|former|existing|current|system|developer|safety|and|given|me|us|full|entire|exact|hidden)"
)


def _squashed(kind: str, anchors: str, rest: str) -> Rule:
    source = folded(f"(?:{anchors}){rest}")
    return Rule(kind, tuple(map(folded, anchors.split("|"))), re.compile(source))


SQUASHED_RULES: tuple[Rule, ...] = (
    _squashed(
        "ignore-instructions",
        "ignore|disregard|forget|bypass|override",
        f"{_FILL}{{1,6}}(?:instruction|prompt|guideline|directive|guardrail|programming)",
    ),
    _squashed(
        "reveal-prompt",
        "reveal|show|print|output|repeat|display|leak|disclose|dump|tellme|giveme",
        f"{_FILL}{{0,6}}(?:systemprompt|developermessage|initialprompt|hiddenprompt"
        f"|yourinstructions)",
    ),
    _squashed(
        "tool-use", "call|run|invoke|use|execute|now", "(?:the|this|tool|our){0,3}applyapprovedplan"
    ),
    _squashed(
        "authority-override",
        "operator|administrator|approver|human",
        "(?:has|have)?already(?:been)?(?:approved|authorized|authorised|confirmed)",
    ),
)
"""For letters that stand apart or words that run together: over text without any blanks."""

_ROLES = ("system", "assistant", "developer", "human")
_ORDERS = (
    "(?:you|your|ignore|disregard|forget|override|reveal|assistant|ai|proceed|approved?|apply"
    "|delete"
    r"|execute|call|please|do not|don'?t|never|always|from now|the (?:operator|user|admin\w*))\b"
)

FORMS: tuple[Rule, ...] = (
    Rule(
        "role-tag",
        ("<", "[inst", "[/inst", "[tool_calls"),
        re.compile(
            r"<\|[a-z_ ]{2,24}\|>|<<sys>>|\[/?inst\]|\[tool_calls\]|<(?:\w{1,10}:)?invoke name="
            r"|</?(?:system|assistant|system-reminder|system_prompt|tool_calls?|tool_result"
            r"|function_calls|important)(?:\s[^<>\n]{0,80})?>"
        ),
    ),
    Rule(
        "role-tag",
        ("##",),
        re.compile(
            r"(?m)^[^\w\n]{0,6}\#{2,4} ?(?:system|instructions?|assistant|developer)"
            r"(?: prompt| message)? ?:"
        ),
    ),
    Rule(
        "role-tag",  # plain `system:` begins every other RBAC name
        tuple(f"{role}{colon}" for role in _ROLES for colon in (":", " :")),
        re.compile(rf"(?m)^[^\w\n]{{0,4}}(?:{'|'.join(_ROLES)}) ?: {{1,4}}{_ORDERS}"),
    ),
    Rule(
        "secret-exfiltration",  # a Markdown picture whose address has room for data: shown is sent
        ("![",),
        re.compile(r"!\[[^\]\n]{0,80}\]\(https?://[^)\s]{1,400}[?&=]"),
    ),
)
"""For text in lower case with its punctuation: an anchor says whether to look, no more."""
