"""The error tree. Every error that a user may see is a ``PerkieError``; its class says how it is handled:

::

    PerkieError                       exit  http  again  tries  marks
    ├─ BrokenInstall                      1   500    -       1   ---H-
    ├─ UsageError                         2   422    -       1   -----
    ├─ BadInput                           3   422    -       1   -----
    │  ├─ NotAnImage                      3   415    -       1   -----
    │  ├─ CorruptImage                    3   422    -       1   -----
    │  ├─ TooManyBytes                    3   413    -       1   -----
    │  ├─ TooManyPixels                   3   422    -       1   -----
    │  ├─ TooSmall                        3   422    -       1   -----
    │  ├─ UnreadableFile                  3   400    -       1   -----
    │  │  └─ NoPhotos                     3   400    -       1   -----
    │  ├─ UnwritableFile                  3   500    -       1   -----
    │  ├─ UnknownStyle                    3   422    -       1   -----
    │  ├─ InvalidParameter                3   422    -       1   -----
    │  ├─ InvalidIdentity                 3   422    -       1   -----
    │  ├─ InvalidSetting                  3   500    -       1   S-NHE
    │  ├─ InvalidScenario                 3   422    -       1   -----
    │  ├─ OutputExists                    3   409    -       1   -----
    │  ├─ NotFound                        3   404    -       1   -----
    │  ├─ RetiredModel                    3   422    -       1   S-N--
    │  ├─ ProtectedBucket                 3   403    -       1   -----
    │  ├─ LowConfidence                   3   422    -       1   -----
    │  └─ IdempotencyMismatch             3   422    -       1   -----
    ├─ NotAuthorised                      4   401    -       1   S----
    │  ├─ MissingCredentials              4   503    -       1   S-NHE
    │  ├─ WrongCredentials                4   503    -       1   S--HE
    │  └─ Forbidden                       4   403    -       1   S----
    ├─ Unavailable                        5   503   yes      1   L----
    │  ├─ UpstreamFault                   5   503   yes      3   LF-H-
    │  │  ├─ UpstreamTimeout              5   504   yes      3   LF-H-
    │  │  ├─ UpstreamOverloaded           5   503   yes      2   L--H-
    │  │  ├─ UpstreamBroken               5   503   yes      2   LF-H-
    │  │  ├─ BadAnswer                    5   503   yes      2   LF-H-
    │  │  └─ UnexpectedAnswer             1   503    -       1   L--H-
    │  ├─ UpstreamExhausted               5   503   yes      1   L--HE
    │  ├─ UpstreamRefused                 9   503    -       1   L--H-
    │  │  └─ ModelGone                    3   503    -       1   L--HE
    │  ├─ Blocked                         3   422    -       1   L----
    │  │  └─ SafetyBlock                  3   422    -       2   L----
    │  ├─ AtCapacity                      5   503   yes      1   L-N--
    │  ├─ BreakerOpen                     5   503   yes      1   L-N--
    │  ├─ DeadlineExceeded                5   504   yes      1   L-N--
    │  ├─ StoreUnavailable                5   503   yes      1   L-NH-
    │  │  └─ StoreBroken                  9   503    -       1   L-NHE
    │  │     ├─ StoreFull                 9   503    -       1   L-NHE
    │  │     └─ CorruptStore              9   503    -       1   L-NHE
    │  ├─ OutOfMemory                     5   503   yes      1   L----
    │  ├─ MissingExtra                    9   503    -       1   L-NHE
    │  ├─ MissingWeights                  9   503    -       1   L--HE
    │  └─ MissingDevice                   9   503    -       1   L--HE
    ├─ PartialFailure                     6   207    -       1   -----
    ├─ LimitReached                       7   429   yes      1   -----
    │  ├─ QuotaExceeded                   7   429   yes      1   -----
    │  ├─ RateLimited                     7   429   yes      1   -----
    │  └─ BudgetExceeded                  7   429    -       1   --N--
    │     └─ DailyCapReached              7   503   yes      1   L-NHE
    ├─ ChangesPending                     8   409    -       1   -----
    ├─ DiskFull                           9   500    -       1   ---HE
    ├─ RunInvalid                        98   500    -       1   -----
    ├─ ThresholdsFailed                  99   500    -       1   -----
    └─ Interrupted                      130   499    -       1   -----

    again  ``retryable``: the same request may succeed later
    tries  ``retry.attempts``: calls upstream in all after such a failure
    marks  L  the degradation ladder catches it; S: only for requests that it covers for our own set-up (``covered``)
           F  a fault of the upstream: counts in the breaker (``speaks_against``)
           N  nothing was sent: perkie refused by itself (``sent`` is false)
           H  hidden from customers: the cause is for the operator only (``hidden``)
           E  ends a run of several pictures: all others would fail the same way (``ends_run``)

``code`` is the class name in snake case, as in the JSON envelope and in ``urn:perkie:problem:<code>``.
"""

from perkie_cli.domain.errors.access import Forbidden, MissingCredentials, NotAuthorised, WrongCredentials
from perkie_cli.domain.errors.base import (
    EXIT_CODES,
    BrokenInstall,
    ChangesPending,
    Interrupted,
    PartialFailure,
    PerkieError,
    UsageError,
    codes,
)
from perkie_cli.domain.errors.disk import CorruptStore, DiskFull, StoreBroken, StoreFull, unwritable
from perkie_cli.domain.errors.gates import RunInvalid, ThresholdsFailed
from perkie_cli.domain.errors.given import (
    BadInput,
    CorruptImage,
    IdempotencyMismatch,
    InvalidIdentity,
    InvalidParameter,
    InvalidScenario,
    InvalidSetting,
    LowConfidence,
    NoPhotos,
    NotAnImage,
    NotFound,
    OutputExists,
    ProtectedBucket,
    RetiredModel,
    TooManyBytes,
    TooManyPixels,
    TooSmall,
    UnknownStyle,
    UnreadableFile,
    UnwritableFile,
)
from perkie_cli.domain.errors.limits import BudgetExceeded, DailyCapReached, LimitReached, QuotaExceeded, RateLimited
from perkie_cli.domain.errors.unavailable import (
    AtCapacity,
    BreakerOpen,
    DeadlineExceeded,
    MissingDevice,
    MissingExtra,
    MissingWeights,
    OutOfMemory,
    StoreUnavailable,
    Unavailable,
    out_of_memory,
)
from perkie_cli.domain.errors.upstream import (
    BadAnswer,
    Blocked,
    ModelGone,
    SafetyBlock,
    UnexpectedAnswer,
    UpstreamBroken,
    UpstreamExhausted,
    UpstreamFault,
    UpstreamOverloaded,
    UpstreamRefused,
    UpstreamTimeout,
)

__all__ = [
    "EXIT_CODES",
    "AtCapacity",
    "BadAnswer",
    "BadInput",
    "Blocked",
    "BreakerOpen",
    "BrokenInstall",
    "BudgetExceeded",
    "ChangesPending",
    "CorruptImage",
    "CorruptStore",
    "DailyCapReached",
    "DeadlineExceeded",
    "DiskFull",
    "Forbidden",
    "IdempotencyMismatch",
    "Interrupted",
    "InvalidIdentity",
    "InvalidParameter",
    "InvalidScenario",
    "InvalidSetting",
    "LimitReached",
    "LowConfidence",
    "MissingCredentials",
    "MissingDevice",
    "MissingExtra",
    "MissingWeights",
    "ModelGone",
    "NoPhotos",
    "NotAnImage",
    "NotAuthorised",
    "NotFound",
    "OutOfMemory",
    "OutputExists",
    "PartialFailure",
    "PerkieError",
    "ProtectedBucket",
    "QuotaExceeded",
    "RateLimited",
    "RetiredModel",
    "RunInvalid",
    "SafetyBlock",
    "StoreBroken",
    "StoreFull",
    "StoreUnavailable",
    "ThresholdsFailed",
    "TooManyBytes",
    "TooManyPixels",
    "TooSmall",
    "Unavailable",
    "UnexpectedAnswer",
    "UnknownStyle",
    "UnreadableFile",
    "UnwritableFile",
    "UpstreamBroken",
    "UpstreamExhausted",
    "UpstreamFault",
    "UpstreamOverloaded",
    "UpstreamRefused",
    "UpstreamTimeout",
    "UsageError",
    "WrongCredentials",
    "codes",
    "out_of_memory",
    "unwritable",
]
