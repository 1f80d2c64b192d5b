"""The notes that an install prints at its end, with commands to paste."""

import subprocess

import yaml

from tests.support.chart import OfflineHelm


def test_the_sale_can_be_pasted_into_a_shell(helm: OfflineHelm) -> None:
    """An indented end marker would not end the here-document."""
    pasted = helm.notes().partition("Sell ten tickets:\n")[2].partition("Reach the dashboard")[0]
    script = f'kubectl() {{ case "$*" in *apply*) cat ;; *) echo "---" ;; esac; }}\n{pasted}'
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True, timeout=10)
    assert done.stderr == ""
    (sale, rest) = yaml.safe_load_all(done.stdout)
    assert (sale["kind"], sale["spec"], rest) == ("FlashSale", {"strategy": "atomic", "stock": 10}, None)


def test_the_notes_name_the_objects_of_the_release(helm: OfflineHelm) -> None:
    notes = helm.notes("fullnameOverride=box", "api.adminToken.existingSecret.name=mine", "jaeger.enabled=false")
    assert "service/box-api 8000:8000" in notes
    assert "get secret mine " in notes
    assert "jaeger" not in notes
    ingress = ("api.ingress.enabled=true", "api.ingress.hosts[0].host=tickets.example.com")
    assert "http://tickets.example.com/" in helm.notes(*ingress)
    assert "https://tickets.example.com/" in helm.notes(*ingress, "api.ingress.tls[0].secretName=tls")
