"""Why a job waits, in plain words."""

WAITING = {
    "None": "just submitted",
    "Resources": "waiting for free nodes",
    "Priority": "others are ahead in the queue",
    "Dependency": "waits for the earlier job of this model to end",
    "BeginTime": "waits out the pause after a requeue",
    "Cleaning": "its last run is being cleaned up",
    "ReqNodeNotAvail": "the nodes it could use are down or reserved; a shorter time may fit before a maintenance",
    "Reservation": "waits for its reservation",
    "Licenses": "waits for a licence",
    "JobArrayTaskLimit": "its array runs as many tasks as allowed",
    "NodeDown": "a node it needs is down",
    "PartitionDown": "the partition is closed",
    "PartitionInactive": "the partition takes no jobs to run now",
    "Prolog": "its node is being prepared",
    "JobHeldUser": "held by you: `scontrol release` lets it go",
}
"""Reasons that pass by themselves, or by the user's own hand."""

NEVER = {
    "PartitionTimeLimit": "asks for more time than the partition allows",
    "PartitionNodeLimit": "asks for more than the partition has",
    "PartitionConfig": "asks for what the partition does not have",
    "BadConstraints": "no node fits the constraint any more",
    "MaxMemPerLimit": "asks for more memory than allowed",
    "InvalidAccount": "the account is not valid",
    "InvalidQOS": "the QOS is not valid",
    "AccountNotAllowed": "the account may not use this partition",
    "QOSNotAllowed": "the QOS may not be used here",
    "DependencyNeverSatisfied": "waits for a job that can never end well: cancel it",
    "JobHeldAdmin": "held by the administrators: ask them",
    "JobHoldMaxRequeue": "was requeued too often and is held: `scontrol release`, or ask the administrators",
    "QOSMinGRES": "asks for fewer GPUs than the QOS wants",
    "QOSUsageThreshold": "the QOS's usage threshold is crossed",
    "launch_failed_requeued_held": "could not be started and is held: `scontrol release` tries again",
}
"""Reasons that do not pass: the request has to change, or a person has to act."""


def explain_reason(reason: str) -> str:
    """SLURM's pending reason in words; its own word stays in front, because manuals and admins use it."""
    head = reason.strip().strip("()").split(",")[0].strip()
    if not head or head == "None":
        return WAITING["None"]
    words = WAITING.get(head) or NEVER.get(head) or _limit_words(head)
    return f"{head}: {words}" if words else head


def never_starts(reason: str) -> bool:
    """Whether a pending job cannot start until someone changes something."""
    head = reason.strip().strip("()").split(",")[0].strip()
    return (
        head in NEVER
        or head.startswith("QOSMaxWall")
        or "WallDurationPerJobLimit" in head
        or head.endswith("PerJobLimit")
        or head.endswith("PerJob")
    )


def _limit_words(head: str) -> str:
    if "WallDuration" in head or head.startswith("QOSMaxWall"):
        return "asks for more time than your limit allows"
    if head.endswith(("PerJob", "PerJobLimit")):
        return "one job may not ask for so much here"
    if "Minutes" in head:
        return "the allocation is used up, or nearly so"
    if "PerUser" in head or "PerAccount" in head:
        return "at your limit; starts when one of your jobs ends"
    if head.startswith(("QOSGrp", "AssocGrp", "Assoc", "QOS")):
        return "your group is at its limit; starts when one of its jobs ends"
    return ""
