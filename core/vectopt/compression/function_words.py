"""PURE. Words that say little themselves, in closed classes: what the guard knows of languages."""

from __future__ import annotations


def _listed(words: str) -> frozenset[str]:
    return frozenset(words.split())


# Carry nothing: articles, politeness, what fills a pause, what only underlines.
FILLERS = _listed(
    """
    a an the that please kindly so very really quite truly just actually basically literally obviously totally absolutely
    definitely essentially indeed anyway anyways oh ah uh hm hmm hey hi hello ok okay btw fyi folks bitte wirklich vraiment
    realmente simply honestly frankly certainly
    """
)

# Carry nothing where commas set them off, and something elsewhere.
PARENTHETIC = _listed("well thanks thx um uhm er erm like anyway clearly naturally certainly honestly simply frankly luckily")

# Of the fillers, the ones that weigh what is said: beside a negation they say how much is denied.
WEIGHTS = _listed(
    """
    so very really quite truly just actually basically literally obviously totally absolutely
    definitely essentially indeed simply honestly frankly certainly
    """
)

# Of the fillers, the ones that are words of weight in other languages, and so are dropped beside English ones alone.
ENGLISH_ARTICLES = _listed("a an that")
ENGLISH = _listed("the is are of and with were from this which been our your")

# Around these, an adverbial belongs to one of several clauses: it may not move.
CLAUSES = _listed(
    """
    and or but nor who whom whose which whether if because while although unless until
    say says said think thinks thought believe believes believed promise promises promised tell tells told hope hopes hoped
    know knows knew claim claims claimed report reports reported ask asks asked plan plans planned want wants wanted expect
    expects expected decide decides decided agree agrees agreed und oder aber dass weil wenn et ou mais que qui si y o pero
    """
)

# Of words after an article: "a few" is not "few".
QUANTIFIERS_WITH_ARTICLE = frozenset({"few", "little"})

# May stand at several places of a sentence and say the same of it; so may words that end in -ly.
ADVERBS = _listed(
    """
    yesterday today tonight tomorrow now nowadays sometimes often always usually maybe perhaps however meanwhile soon later
    early overnight again once twice together instead abroad online upstairs downstairs afterwards heute gestern morgen
    manchmal oft hier demain souvent parfois ayer hoy siempre usually recently currently finally unfortunately fortunately
    occasionally frequently eventually previously originally normally typically generally regularly daily weekly monthly
    yearly annually
    """
)

# Words that a phrase begins with which may stand at either end of a sentence.
LEADS = _listed(
    """
    about above according across after against along amid among around as at because before behind below beneath beside
    between beyond by despite due during every except for from if in inside into last late later like near next on once onto
    outside over past per since this these through throughout till to toward towards under unless until upon via when whenever
    where while with within am an auf bei bis für im mit nach seit um unter vom von vor zu zum zur après au avant avec chez
    dans depuis en par pendant pour sous sur antes con de desde después durante hasta para por sobre
    """
)

# Bear upon what follows them: nothing may come between.
SCOPES = _listed(
    """
    not no never only even except without hardly barely almost nearly merely all any both each either every neither nor none
    some nicht nie kein keine nur ohne pas jamais seulement sans nunca sólo solo sin
    """
)

NEGATIONS = _listed(
    """
    not no never none nobody nothing nowhere neither nor without cannot nicht nie kein keine keinen keiner nichts ohne pas
    jamais rien aucun aucune sans nunca jamás nada nadie ningún ninguna sin não nem нет не ни никогда без 不 没 未 無 非
    """
)

# Of four letters and more, and written otherwise in short forms: "they've", "won't".
SHORTENED = frozenset({"will", "shall", "have", "they", "cannot"})

# Phrases that carry nothing where commas set them off.
ASIDES = (
    "you know",
    "i mean",
    "of course",
    "by the way",
    "to be honest",
    "in fact",
    "as you know",
    "as a matter of fact",
    "for your information",
    "needless to say",
    "if you don't mind",
    "if possible",
)
