"""Words that are no topics: of grammar, of shopping as such, and of reviews as such."""

ENGLISH = frozenset(
    """
    a about above after again against ago all almost already also although always am an and another any anyone
    anything are aren't around arrive arrived as at away back be because been before being below between both
    bought but buy buying by came can can't cannot come could couldn't day days did didn't do does doesn't doing
    don't done down during each either else enough etc even ever every everyone everything few first for found
    from further gave get gets getting give given go goes going gone got had hadn't has hasn't have haven't
    having he her here hers him himself his how however i i'd i'll i'm i've if in instead into is isn't it it's
    item items its itself just keep kept know last least less let like little long lot lots made make makes many
    may maybe me might mine month months more most much must my myself near need needed never new next no nobody
    none nor not nothing now of off often ok old on once one ones only or order ordered orders other others our
    ours out over own people perhaps product products purchase purchased put quite rather really review reviews
    said same say says see seem seems seen she should shouldn't since so some someone something sometimes
    somewhat soon star stars still store such sure take taken takes taking than that that's the their theirs
    them then there there's these they they're thing things think this those though thought three through time
    times to today together told too took toward tried tries try trying two under until up upon us use used uses
    using usually very want wanted was wasn't way we we're week weeks well went were weren't what when where
    whether which while who whole whom whose why will wish with within without won't would wouldn't year years
    yes yesterday yet you you're your yours yourself
    """.split()  # noqa: SIM905  (a list would take a line for each word)
)
CHINESE = frozenset(
    "一上下不与且个中为也了从他以们会但你到去又可吗吧呀呢和哦啊因在太她如它对就很我或所把是有来此没的着给而被要让说过还这那都"
)
