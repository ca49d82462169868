"""Alerts: taken down once a window, the oldest forgotten, gathered into cases."""

from exchange.surveillance.alerts import AlertKind, AlertLog, Finding


def finding(group=1, kind=AlertKind.SPOOFING, instrument=3, first=5):
    return Finding(kind, (group,), instrument, first, {"lots": 7})


def test_the_same_again_makes_an_alert_longer():
    log = AlertLog()
    log.add(finding(), 1, 9, 90)
    log.add(finding(first=8), 1, 12, 120)
    (alert,) = log.after(0, 10)
    assert (alert.first_sequence, alert.last_sequence, alert.first_ns, alert.last_ns) == (5, 12, 90, 120)
    assert (alert.number, alert.found_count, alert.case) == (1, 2, "SPOOFING-1-3")
    log.add(finding(), 2, 20, 200)
    assert [alert.number for alert in log.after(1, 10)] == [2]
    assert list(log.cases()) == ["SPOOFING-1-3"]


def test_many_at_once_are_as_many_one_after_the_other():
    single, many = AlertLog(), AlertLog()
    for sequence in (9, 12, 15):
        single.add(finding(), 1, sequence, 10 * sequence)
    many.add(finding(), 1, 15, 150, first_ns=90, count=3)
    assert many.after(0, 10) == single.after(0, 10)
    for sequence in (16, 17):
        single.add(finding(), 1, sequence, 10 * sequence)
    many.add(finding(), 1, 17, 170, first_ns=160, count=2)
    assert many.after(0, 10) == single.after(0, 10)


def test_only_so_many_are_kept():
    log = AlertLog(2)
    for group in (1, 2, 3):
        log.add(finding(group), 1, group, group)
    assert [alert.groups for alert in log.after(0, 10)] == [(2,), (3,)]
    assert log.count == 3
    assert [alert.number for alert in log.after(0, 1)] == [2]
