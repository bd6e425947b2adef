"""Every error says what, where and the remedy, and travels between processes."""

import importlib
import pickle
import pkgutil

import pytest

import collectors
import workbench
from workbench.lake import BadParameter, LakeBusy, LakeError, MissingExtra, UnknownName, WorkbenchError


def all_errors() -> list[type[WorkbenchError]]:
    """Our error classes, also those that are declared outside the lake."""
    for package in (workbench, collectors):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if "error" in module.name:
                importlib.import_module(module.name)
    found = [WorkbenchError]
    for each in found:
        found += [child for child in each.__subclasses__() if child not in found]
    return found


@pytest.mark.parametrize("kind", all_errors(), ids=lambda kind: kind.__name__)
def test_every_error_survives_pickle_with_its_three_texts(kind):
    error = kind("a", "b", "c")
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is kind
    assert (copy.what, copy.where, copy.remedy) == ("a", "b", "c")
    assert str(copy) == "a\n  where:  b\n  remedy: c"


@pytest.mark.parametrize("kind", all_errors(), ids=lambda kind: kind.__name__)
def test_every_error_has_a_sentence_about_it_and_no_constructor_of_its_own(kind):
    assert kind.__doc__
    assert kind is WorkbenchError or "__init__" not in vars(kind)


def test_an_unknown_name_offers_the_near_ones_or_those_there_are():
    near = UnknownName.of("service", "chekout", ["checkout", "cart", "web"], "lake")
    assert (near.what, near.where, near.remedy) == ("no service is called 'chekout'", "lake", "did you mean checkout?")
    assert UnknownName.of("service", "x", ["web", "cart"], "lake").remedy == "known: cart, web"
    assert UnknownName.of("service", "x", [], "lake").remedy == "known: none"


def test_errors_can_be_caught_by_what_they_are_in_python():
    assert issubclass(BadParameter, ValueError)
    assert issubclass(UnknownName, LookupError)
    assert issubclass(MissingExtra, ImportError)
    assert issubclass(LakeBusy, LakeError)
    assert all(issubclass(kind, WorkbenchError) for kind in all_errors())
