"""Personal data: known valid numbers, false alarms, fresh values, and that nothing of the real ones is kept."""

from __future__ import annotations

import json
import unicodedata

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synthkit import PIIReport, Protection, Schema, SequenceSynthesizer, SynthkitWarning, TabularSynthesizer, detect_pii
from synthkit.errors import LoadError, ParamError, SchemaError
from synthkit.pii.banking import COUNTRIES, bic_holds, card_holds, iban_holds, make_iban
from synthkit.pii.headers import header_says
from synthkit.pii.kinds import KINDS, Makings
from synthkit.pii.national import NATIONAL
from synthkit.pii.people import LANGUAGES
from synthkit.pii.phones import make_phone, phone_style
from synthkit.schema import Categorical, Identifier, Numeric, Personal, Text
from synthkit.testing import draw_panel
from synthkit.transforms.personal import PersonalTransformer

MADE = [name for name, kind in KINDS.items() if kind.make is not None]
TELLING = ["email", "phone", "iban", "card", "national_id", "ip", "mac", "url", "uuid"]  # by content alone

# -------------------------------------------------------------------- numbers from the standards' own documents
IBANS = [  # SWIFT's registry, and ISO 13616's example
    "GB82WEST12345698765432",
    "DE89370400440532013000",
    "FR1420041010050500013M02606",
    "IT60X0542811101000000123456",
    "ES9121000418450200051332",
    "NL91ABNA0417164300",
    "BE68539007547034",
    "CH9300762011623852957",
    "AT611904300234573201",
    "PL61109010140000071219812874",
    "SE4550000000058398257466",
    "NO9386011117947",
    "PT50000201231234567890154",
    "LU280019400644750000",
    "MT84MALT011000012345MTLCAST001S",
    "SA0380000000608010167519",
    "BR1800360305000010009795493C1",
]
CARDS = [
    "4111111111111111",
    "5555555555554444",
    "378282246310005",
    "6011111111111117",
    "30569309025904",
    "3530111333300000",
]
NUMBERS = {
    "uk_nhs": "943 476 5919",
    "uk_nino": "QQ 12 34 56 C",
    "us_ssn": "219-09-9999",
    "de_tax_id": "36 574 261 809",
    "ch_ahv": "756.9217.0769.85",
    "fr_nir": "2 95 10 99 126 111 93",
    "it_cf": "RCCMNL83S18D969H",
    "es_dni": "54362315-K",
    "nl_bsn": "111222333",
    "be_rrn": "85.07.30-033 28",
    "pl_pesel": "44051401359",
    "se_personnummer": "811228-9874",
    "no_fnr": "151086 95088",
    "fi_hetu": "131052-308T",
    "br_cpf": "390.533.447-05",
    "pt_nif": "123456789",
}


def test_ibans_of_the_registry_hold_and_no_neighbour_does():
    assert iban_holds(IBANS).all()
    wrong = [t[:-1] + ("0" if t[-1] != "0" else "1") for t in IBANS]
    assert not iban_holds(wrong).any() and not iban_holds(["DE8937040044053201300", "XX82WEST12345698765432"]).any()


def test_cards_of_the_issuers_hold_and_no_neighbour_does():
    assert card_holds(CARDS).all()
    assert not card_holds([t[:-1] + str((int(t[-1]) + 1) % 10) for t in CARDS]).any()
    assert not card_holds(["9111111111111116", "411111111111111", "79927398713"]).any()  # no brand, no length
    assert bic_holds(["DEUTDEFF", "DEUTDEFF500", "NEDSZAJJXXX"]).all() and not bic_holds(["DEUTXXFF", "PASSWORD"]).any()


@pytest.mark.parametrize("code", NATIONAL)
def test_national_numbers_hold_and_most_changes_do_not(code):
    kind, plain = NATIONAL[code], NATIONAL[code].plain(NUMBERS[code])
    assert kind.check([plain]).all()
    if code in ("us_ssn", "uk_nino"):  # they have no check digit
        assert not kind.check([{"us_ssn": "666123456", "uk_nino": "GB123456C"}[code]]).any()
        return
    digits = [i for i, c in enumerate(plain) if c.isdigit() and i not in (2, 3, 4, 5)]
    changed = [plain[:i] + str((int(plain[i]) + 1) % 10) + plain[i + 1 :] for i in digits]
    assert kind.check(changed).mean() < 0.2


@pytest.mark.parametrize("realistic", [False, True])
@pytest.mark.parametrize("code", NATIONAL)
def test_made_national_numbers_hold(code, realistic):
    kind = NATIONAL[code]
    made = kind.make(np.random.default_rng(0), 300, realistic)
    assert len(made) == 300 and kind.check(made).all() and len(set(made)) > 280
    assert [kind.plain(kind.formatted(t)) for t in made] == made
    assert kind.make(np.random.default_rng(0), 0, realistic) == []


@given(st.sampled_from(sorted(COUNTRIES)), st.booleans(), st.integers(0, 2**32))
@settings(max_examples=60, deadline=None, derandomize=True)
def test_made_ibans_hold(country, realistic, seed):
    assert iban_holds(make_iban(np.random.default_rng(seed), 3, country, realistic)).all()


def test_made_phone_numbers_are_of_the_reserved_ranges():
    rng = np.random.default_rng(0)
    assert all("555-01" in t for t in make_phone(rng, 50, "(###) ###-####"))
    assert all(
        t.startswith(("+44 7700 900", "+44 2079 460", "+44 1632", "+44 1134", "+44 1214"))
        for t in make_phone(rng, 50, "+44 #### ######")
    )
    assert (
        phone_style("+44 (0)20 7946 0018") == "+44 (0)## #### ####"
        and phone_style("030/123456 x12") == "0##/###### x##"
    )
    assert len({t[:6] for t in make_phone(rng, 50, "+49 ## ########", realistic=True)}) > 20


# -------------------------------------------------------------------- detection
def makings(n: int, seed: int = 0, realistic: bool = True, language: str = "en") -> Makings:
    rng = np.random.default_rng(seed)
    return Makings(rng, rng.integers(0, 2**62, n), LANGUAGES[language], language, realistic)


def made(kind: str, n: int = 200, style: str = "", **more) -> list[str]:
    return KINDS[kind].make(makings(n, **more), style)


@given(st.sampled_from(TELLING), st.sampled_from(sorted(LANGUAGES)), st.booleans(), st.integers(0, 1000))
@settings(max_examples=60, deadline=None, derandomize=True)
def test_what_is_made_is_found_by_its_content(kind, language, realistic, seed):
    table = pd.DataFrame({"x": made(kind, 60, seed=seed, realistic=realistic, language=language)})
    assert detect_pii(table).kinds == {"x": kind}


@pytest.mark.parametrize(
    ("header", "kind"),
    [
        ("E-Mail", "email"),
        ("customerEmail", "email"),
        ("EMAIL_ADDRESS", "email"),
        ("correo electrónico", "email"),
        ("Telefonnummer", "phone"),
        ("home_phone", "phone"),
        ("SSN", "national_id"),
        ("Steuer-ID", "national_id"),
        ("codice fiscale", "national_id"),
        ("Vorname", "first_name"),
        ("prénom", "first_name"),
        ("apellidos", "last_name"),
        ("achternaam", "last_name"),
        ("patient_name", "full_name"),
        ("Straße", "address"),
        ("clientIP", "ip"),
        ("PLZ", "postcode"),
        ("zip_code", "postcode"),
        ("Geburtsdatum", "date_of_birth"),
        ("DOB", "date_of_birth"),
        ("woonplaats", "city"),
        ("IBAN", "iban"),
        ("Kreditkartennummer", "card"),
    ],
)
def test_headers_speak(header, kind):
    assert header_says(header) == {kind: 1.0}


@pytest.mark.parametrize(
    "header", ["email_opt_in", "has_phone", "phone_type", "cell_id", "product_name", "n_addresses", 7, ("a", "b"), None]
)
def test_headers_that_only_sound_so(header):
    assert header_says(header) == {}


def test_names_and_addresses_need_their_header_and_names_of_things_are_none():
    rng = np.random.default_rng(0)
    names = ["Model Ess", "Corolla Touring", "Golf Variant", "Civic Tourer", "Model Ex", "Fabia Combi"]
    table = pd.DataFrame({"surname": made("last_name"), "name": made("full_name"), "address": made("address")})
    assert detect_pii(table).kinds == {"surname": "last_name", "name": "full_name", "address": "address"}
    cars = detect_pii(pd.DataFrame({"name": rng.choice(names, 200)}))
    assert cars.kinds == {} and cars.findings[0].confidence < 0.5
    colours = pd.DataFrame(
        {"name": [f"{c} {k}" for c in ("White", "Green", "Gray", "Brown") for k in ("King", "Bell", "Shirt")]}
    )
    assert detect_pii(colours).kinds == {}
    assert detect_pii(pd.DataFrame({"Name": made("first_name")})).kinds == {"Name": "first_name"}
    assert detect_pii(pd.DataFrame({"first_name": [True, False] * 20, "email": range(40)})).kinds == {}


@pytest.mark.parametrize("digits", [5, 9, 10, 11, 13, 15, 16])
def test_whole_numbers_are_no_personal_data(digits):
    rng = np.random.default_rng(digits)
    table = pd.DataFrame(
        {
            "order": rng.integers(10 ** (digits - 1), 10**digits, 500),
            "counter": 10 ** (digits - 1) + np.arange(500),
            "amount": rng.normal(size=500).round(2) * 10.0 ** (digits - 3),
            "text": [str(k) for k in rng.integers(10 ** (digits - 1), 10**digits, 500)],
        }
    )
    assert len(detect_pii(table)) == 0


def test_a_locale_leaves_out_numbers_of_other_countries():
    table = pd.DataFrame({"x": made("national_id", style="pl_pesel:plain")})
    assert detect_pii(table).kinds == detect_pii(table, locale="pl").kinds == {"x": "national_id"}
    assert detect_pii(table, locale="de_DE").kinds == {}


def test_few_values_prove_less():
    one = pd.DataFrame({"code": ["4111111111111111"]})
    assert detect_pii(one).kinds == {} and detect_pii(one).findings[0].confidence > 0.3
    assert detect_pii(one.rename(columns={"code": "credit card"})).kinds == {"credit card": "card"}


def test_dates_and_codes_are_no_phones():
    days = pd.date_range("2020-01-01", periods=100)
    table = pd.DataFrame(
        {"d": days.strftime("%Y-%m-%d"), "e": days.strftime("%d.%m.%Y"), "icd": [f"{k}.{k % 10}" for k in range(100)]}
    )
    assert len(detect_pii(table)) == 0


def test_the_report_shows_no_value_and_speaks_of_roles():
    table = pd.DataFrame(
        {"mail": made("email"), "PLZ": made("postcode"), "dob": pd.date_range("1950-01-01", periods=200)}
    )
    report = detect_pii(table)
    assert isinstance(report, PIIReport) and report.direct == {"mail": "email"}
    assert report.kinds == {"mail": "email", "PLZ": "postcode", "dob": "date_of_birth"}
    assert list(report.to_frame()) == ["column", "kind", "role", "confidence", "share", "evidence"]
    assert "example" not in str(report) and report.findings[0].evidence == "header and content"
    assert str(detect_pii(pd.DataFrame({"x": [1]}))) == "no personal data was found"
    assert "<table" in report._repr_html_()


def test_odd_tables():
    assert len(detect_pii(pd.DataFrame({"a": [], "b": []}))) == 0
    mixed = pd.DataFrame({"email": ["a@b.org", None, 3.5], "phone": [[1], [2], None], "ip": [None] * 3})
    assert detect_pii(mixed).kinds == {}
    with pytest.raises(SchemaError, match="DataFrame"):
        detect_pii([1])
    with pytest.raises(ParamError, match="'sample'"):
        detect_pii(mixed, sample=0)
    with pytest.raises(SchemaError, match="one name"):
        detect_pii(pd.DataFrame([[1, 2]], columns=["a", "a"]))


# -------------------------------------------------------------------- never learnt, made afresh
def customers(n: int = 300) -> pd.DataFrame:
    m = makings(n, language="de")
    table = pd.DataFrame(
        {
            "Vorname": KINDS["first_name"].make(m, ""),
            "Nachname": KINDS["last_name"].make(m, "upper"),
            "email": KINDS["email"].make(m, ""),
            "phone": KINDS["phone"].make(m, "+49 ## ########"),
            "konto": KINDS["iban"].make(m, "DE "),
            "Steuer-ID": KINDS["national_id"].make(m, "de_tax_id:plain"),
            "mobile_phone": [int(t) for t in KINDS["phone"].make(m, "#########")],
            "doctor_name": np.random.default_rng(1).choice(made("full_name", 8, seed=5), n),
            "age": np.random.default_rng(2).integers(18, 90, n),
        }
    )
    table.loc[::4, "phone"] = None
    return table


@pytest.fixture(scope="module")
def fitted() -> tuple[pd.DataFrame, TabularSynthesizer]:
    table = customers()
    with pytest.warns(SynthkitWarning, match="8 column.* personal data") as said:
        synthesizer = TabularSynthesizer("independent", random_state=0).fit(table)
    assert "'konto' (IBAN)" in str(said[0].message) and len(said) == 1
    return table, synthesizer


def test_a_fit_keeps_no_personal_value(fitted):
    table, synthesizer = fitted
    value, arrays = synthesizer.to_state()
    text = json.dumps(value, ensure_ascii=False)
    drawn = synthesizer.sample(300, seed=0)
    for name in ("email", "phone", "konto", "Steuer-ID", "mobile_phone", "doctor_name"):
        real = set(table[name].dropna())
        assert not any(str(v) in text for v in real), name
        assert not real & set(drawn[name].dropna()), name
    assert not any(a.dtype.kind in "OU" for a in arrays.values())


def test_fresh_values_are_valid_and_agree(fitted):
    table, synthesizer = fitted
    drawn = synthesizer.sample(300, seed=0)
    assert (drawn.dtypes == table.dtypes).all()
    assert (
        iban_holds(drawn["konto"].str.replace(" ", "").tolist()).all()
        and drawn["konto"].str.match(r"DE\d\d \d{4} ").all()
    )
    assert NATIONAL["de_tax_id"].check(drawn["Steuer-ID"].tolist()).all()
    assert drawn["mobile_phone"].astype(str).str.len().eq(9).all()
    assert (
        abs(drawn["phone"].isna().mean() - 0.25) < 0.1 and drawn["phone"].dropna().str.match(r"\+49 \d\d \d{8}$").all()
    )
    assert drawn["Nachname"].str.isupper().all() and drawn["doctor_name"].nunique() == 8
    for name in ("email", "konto", "Steuer-ID", "mobile_phone"):
        assert drawn[name].is_unique, name
    for first, last, mail in drawn[["Vorname", "Nachname", "email"]].itertuples(index=False):
        plain = unicodedata.normalize(
            "NFKD", f"{first}.{last}".lower().replace("ß", "ss")
        )  # names are German, as all is
        assert mail.startswith("".join(c for c in plain if c.isascii()))
        assert mail.split("@")[1].startswith("example.")
    doctors = drawn["doctor_name"].str.split().str[1].str.upper()
    assert (doctors != drawn["Nachname"]).mean() > 0.9  # another person


def test_draws_repeat_and_files_draw_the_same(fitted, tmp_path):
    _, synthesizer = fitted
    synthesizer.save(tmp_path / "m.synthkit")
    again = TabularSynthesizer.load(tmp_path / "m.synthkit").sample(50, seed=3)
    pd.testing.assert_frame_equal(again, synthesizer.sample(50, seed=3))
    assert not again["email"].equals(synthesizer.sample(50, seed=4)["email"])
    assert synthesizer.sample(0, seed=0).shape == (0, 9)
    kept = synthesizer.sample(200, accept=lambda t: t["age"] > 50, seed=1)
    assert kept["email"].is_unique and abs(kept["phone"].isna().mean() - 0.25) < 0.12


def test_declared_types_win_and_are_not_warned_of():
    table = customers()[["email", "Vorname", "age"]]
    schema = Schema.infer(table, email=Text(), Vorname=Categorical())
    assert isinstance(schema.columns["email"], Text) and isinstance(schema.columns["Vorname"], Categorical)
    TabularSynthesizer("independent", schema=schema, random_state=0).fit(table)  # warnings are errors here
    inferred = Schema.infer(table)
    assert inferred.columns["email"].kind == "email" and Schema.from_dict(inferred.to_dict()) == inferred
    mine = Schema.infer(table, email=Personal(), age=Personal(kind="postcode"))
    assert mine.columns["email"].kind == "email" and mine.columns["age"].kind == "postcode"
    with pytest.raises(SchemaError, match="'age'.*cannot be told"):
        Schema.infer(table, age="personal")


def test_a_category_dtype_does_not_tell_its_categories():
    table = customers()[["email", "age"]].astype({"email": "category"})
    kind = Schema.infer(table).columns["email"]
    assert isinstance(kind, Personal) and not any(m in json.dumps(kind.dtype) for m in table["email"])


def test_weights_and_names_of_entities_are_no_personal_columns():
    table = customers()[["email", "age"]].assign(full_name=[f"Anna {a}" for a in "XY" for _ in range(150)])
    assert isinstance(Schema.infer(table, entity="email").columns["email"], Personal)
    assert not isinstance(Schema.infer(table, entity="full_name").columns["full_name"], Personal)
    assert isinstance(Schema.infer(table, weight="age").columns["age"], Numeric)


def test_free_text_is_told_once():
    table = pd.DataFrame({"note": [f"seen on day {k} by all" for k in range(60)], "x": range(60)})
    with pytest.warns(SynthkitWarning, match="free text.*'note'.*declare Categorical"):
        TabularSynthesizer("independent", random_state=0).fit(table)


@pytest.mark.parametrize("kind", [kind for kind in MADE if kind != "city"])  # of which there are few
def test_every_kind_is_made_unique_and_by_locale(kind):
    table = pd.DataFrame({"x": made(kind, 150, language="nl"), "y": np.arange(150) % 7})
    schema = Schema({"x": Personal(kind=kind, locale="nl", unique=True), "y": Numeric()})
    drawn = TabularSynthesizer("independent", schema=schema, random_state=0).fit(table).sample(400, seed=0)
    assert drawn["x"].is_unique and KINDS[kind].fits(drawn["x"].tolist()).all()


def test_unknown_kinds_and_locales_are_named():
    with pytest.raises(SchemaError, match="'kind' must be one of"):
        Personal(kind="date_of_birth")
    schema = Schema({"x": Personal(kind="email", locale="qq_QQ")})
    with pytest.raises(SchemaError, match="'qq_QQ' is not known"):
        TabularSynthesizer("independent", schema=schema).fit(pd.DataFrame({"x": made("email")}))


def test_rare_formats_are_not_kept():
    table = pd.DataFrame({"iban": [*made("iban", 200, "DE"), *made("iban", 3, "MT")], "x": range(203)})
    with pytest.warns(SynthkitWarning, match="'iban'"):
        synthesizer = TabularSynthesizer("independent", random_state=0).fit(table)
    assert set(synthesizer.sample(500, seed=0)["iban"].str[:2]) == {"DE"}


def test_people_in_a_panel_keep_their_names():
    visits = draw_panel(40, 0)
    who = visits["who"].unique()
    m = makings(len(who))
    for name, kind in (("name", "full_name"), ("email", "email")):
        visits[name] = visits["who"].map(dict(zip(who, KINDS[kind].make(m, ""), strict=True)))
    with pytest.warns(SynthkitWarning, match="SequenceSynthesizer.fit: 2 column"):
        sequences = SequenceSynthesizer("autoregressive", entity="who", time="when", random_state=0, max_steps=2).fit(
            visits
        )
    drawn = sequences.sample(12, seed=1)
    people = drawn.groupby("who")[["name", "email"]].nunique()
    assert (people == 1).all(axis=None) and drawn["email"].nunique() == 12
    assert not set(drawn["email"]) & set(visits["email"])
    for name, mail in drawn[["name", "email"]].itertuples(index=False):
        assert mail.startswith(name.replace(" ", ".").lower())


# -------------------------------------------------------------------- where a table is at home, and keys of entities
def people(rows: int = 60, **more) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    names = LANGUAGES["nl"]
    return pd.DataFrame(
        {"full_name": [f"{rng.choice(names.first)} {rng.choice(names.last)}" for _ in range(rows)], **more}
    )


def drawn_names(table: pd.DataFrame, **how) -> set[str]:
    made = TabularSynthesizer("independent", random_state=0, **how).fit(table).sample(200, seed=0)
    return {word for name in made["full_name"] for word in name.split()}


def only(names: set[str], language: str) -> bool:
    return names <= {*LANGUAGES[language].first, *LANGUAGES[language].last}


@pytest.mark.filterwarnings("ignore::synthkit.SynthkitWarning")
def test_names_are_of_the_country_that_the_table_tells_of(monkeypatch):
    monkeypatch.setattr("synthkit.pii.people._faker_names", lambda locale: None)
    rng = np.random.default_rng(1)
    german, french = (make_iban(rng, 60, country, True) for country in ("DE", "FR"))
    phones = [f"+49 30 {n}" for n in rng.integers(10**6, 10**7, 60)]
    assert only(drawn_names(people()), "en")
    assert only(drawn_names(people(iban=german)), "de")
    assert only(drawn_names(people(iban=german, phone=phones, country="Deutschland")), "de")
    assert only(drawn_names(people(country=["FR"] * 58 + ["DE"] * 2)), "fr")
    assert only(drawn_names(people(iban=french, phone=phones)), "en"), "they disagree"
    assert only(drawn_names(people(country="CH")), "en"), "it has several languages"
    assert only(drawn_names(people(country_of_birth="DE")), "en"), "that is not where they live"
    schema = Schema({"full_name": Personal(kind="full_name", locale="it"), "iban": Personal(kind="iban")})
    assert only(drawn_names(people(iban=german), schema=schema), "it")
    fitted = TabularSynthesizer("independent", random_state=0).fit(people(iban=german))
    assert fitted.schema_.columns["full_name"].locale == "de_DE"


@pytest.mark.filterwarnings("ignore::synthkit.SynthkitWarning")
def test_keys_of_entities_are_of_their_kind(tmp_path):
    rng = np.random.default_rng(0)
    real = make_iban(rng, 80, "DE", True)
    table = pd.DataFrame({"account": np.repeat(real, 4), "day": np.tile(np.arange(4), 80), "x": rng.normal(size=320)})
    panel = SequenceSynthesizer(entity="account", time="day", random_state=0, max_steps=2).fit(table)
    drawn = panel.sample(50, seed=0)
    keys = list(drawn["account"].unique())
    assert len(keys) == 50 and iban_holds(keys).all() and not set(keys) & set(real)
    panel.save(tmp_path / "file")
    assert SequenceSynthesizer.load(tmp_path / "file").sample(50, seed=0).equals(drawn)
    mails = pd.DataFrame({"mail": [f"p{i}@firm.example" for i in range(200)], "x": rng.normal(size=200)})
    made = TabularSynthesizer("independent", entity="mail", random_state=0).fit(mails).sample(500, seed=0)["mail"]
    assert made.is_unique and detect_pii(made.to_frame()).kinds == {"mail": "email"}
    schema = Schema({"mail": Identifier(pattern=r"M\d{5}"), "x": Numeric()}, entity="mail")
    made = TabularSynthesizer("independent", schema=schema, random_state=0).fit(mails).sample(50, seed=0)["mail"]
    assert made.str.fullmatch(r"M\d{5}").all()


@pytest.mark.parametrize(
    "change",
    [
        {"size": 10**15},
        {"share": 0},
        {"styles": []},
        {"styles": [["no_such:plain", 1.0]]},
        {"styles": [["de_tax_id:plain", -1.0]]},
        {"styles": [["9" * 9, 1.0]]},
        {"names": {"first": [], "last": ["a"], "streets": ["a"], "cities": ["a"], "address": "", "postcode": ""}},
    ],
)
def test_an_altered_state_is_refused(change):
    transformer = PersonalTransformer(Personal(kind="national_id"))
    transformer.update(np.array(["12 345 678 903"] * 9, dtype=object))
    transformer.finish(Protection())
    state = transformer.to_state()[0]
    PersonalTransformer(Personal(kind="national_id")).load_state(state, {})
    with pytest.raises(LoadError):
        PersonalTransformer(Personal(kind="national_id")).load_state({**state, **change}, {})


@pytest.mark.parametrize("kind", ["card", "iban"])
@pytest.mark.filterwarnings("ignore::synthkit.SynthkitWarning")
def test_a_remark_is_no_way_to_write_a_number(kind):
    cells = [*made(kind, 100), *["n/a"] * 20]
    table = pd.DataFrame({"number": cells, "x": np.arange(120) % 7})
    schema = Schema({"number": Personal(kind=kind), "x": Numeric()})
    drawn = TabularSynthesizer("independent", schema=schema, random_state=0).fit(table).sample(300, seed=0)
    assert KINDS[kind].proves(drawn["number"].tolist()).all()
