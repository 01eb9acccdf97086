#!/usr/bin/env python3
"""Writes Ebb's Grafana dashboards beside this file: ebb-overview.json, ebb-scaledobject.json, ebb-brokers.json.

    deploy/grafana/generate.py            writes them
    deploy/grafana/generate.py --check    fails if they are not what this script would write

A dashboard is a list of rows, a row a list of panels. The namespace of a ScaledObject is in `exported_namespace` or in
`namespace`, depending on how Ebb is scraped (docs/metrics.md): `series` makes an expression that finds it in both.
"""

import json
import pathlib
import sys

SOURCE = {"type": "prometheus", "uid": "${datasource}"}
OBJECT = 'scaledObject=~"$scaledObject"'
RESOURCE = 'resource=~"$scaledObject"'
READY = OBJECT + ', condition="Ready"'
TRIGGER = OBJECT + ', scaler=~"$scaler", metric=~"$metric"'


def series(name, matchers=OBJECT, call="{}"):
    """The series of ScaledObjects in the chosen namespaces, with the namespace in `namespace`. `call`: a function of them."""
    rest = f", {matchers}" if matchers else ""
    exported = call.format(f'{name}{{exported_namespace!="", exported_namespace=~"$namespace"{rest}}}')
    own = call.format(f'{name}{{exported_namespace="", namespace=~"$namespace"{rest}}}')
    return f'label_replace({exported}, "namespace", "$1", "exported_namespace", "(.*)") or {own}'


def by(function, labels, expression):
    return f"{function} by ({labels}) ({expression})"


def each(name, matchers=OBJECT, labels="namespace, scaledObject", call="{}"):
    """One series for each combination of labels, whichever replica exports it."""
    return by("max", labels, series(name, matchers, call))


def rate(name, labels, matchers=OBJECT):
    return by("sum", labels, series(name, matchers, "rate({}[$__rate_interval])"))


def condition(name, state):
    """How many ScaledObjects have this condition in this state."""
    matchers = f'{OBJECT}, condition="{name}"'
    return f"count(({each('ebb_scaled_object_condition', matchers)}) == {state}) or vector(0)"


def quantile(part, name, labels="", matchers=""):
    labels = f"{labels}, le" if labels else "le"
    inner = f"{name}_bucket{{{matchers}}}" if matchers else f"{name}_bucket"
    return f"histogram_quantile({part}, sum by ({labels}) (rate({inner}[$__rate_interval])))"


def panel(kind, title, description, *queries, unit="short", width=8, height=8, instant=False, options=None, **defaults):
    """`queries`: expressions, each with the legend of its series."""
    targets = []
    for place, (expression, legend) in enumerate(queries):
        target = {"refId": chr(ord("A") + place), "datasource": SOURCE, "expr": expression, "legendFormat": legend}
        targets.append(target | ({"instant": True, "range": False} if instant else {}))
    fields = {"defaults": {"unit": unit} | defaults, "overrides": []}
    return {
        "title": title, "description": description, "type": kind, "datasource": SOURCE,
        "gridPos": {"w": width, "h": height}, "fieldConfig": fields, "targets": targets, "options": options or {},
    }  # fmt: skip


def steps(*pairs):
    """Colours from values on; the first one has no value."""
    return {"mode": "absolute", "steps": [{"color": color, "value": value} for color, value in pairs]}


LAST = {"reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False}}
LINES = {"legend": {"displayMode": "list", "placement": "bottom", "showLegend": True}, "tooltip": {"mode": "multi", "sort": "desc"}}
GREEN, GOOD_AT_ZERO = steps(("green", None)), steps(("green", None), ("red", 1))
YES_NO = [{"type": "value", "options": {"0": {"text": "no", "index": 0}, "1": {"text": "yes", "index": 1}}}]


def stat(title, description, expression, thresholds=GREEN, width=4, **rest):
    options = LAST | {"colorMode": "value", "graphMode": "area"}
    return panel("stat", title, description, (expression, ""), width=width, height=4, instant=True, options=options, thresholds=thresholds, **rest)


def lines(title, description, *queries, step=False, **rest):
    custom = {"drawStyle": "line", "fillOpacity": 10, "spanNulls": False}
    custom |= {"lineInterpolation": "stepAfter"} if step else {}
    return panel("timeseries", title, description, *queries, options=LINES, custom=custom, **rest)


def bands(title, description, *queries, **rest):
    options = {"showValue": "never", "mergeValues": True, "rowHeight": 0.8, "legend": LINES["legend"], "tooltip": {"mode": "single", "sort": "none"}}
    return panel("state-timeline", title, description, *queries, options=options, custom={"fillOpacity": 70, "lineWidth": 0}, **rest)


def table(title, description, expression, **rest):
    built = panel("table", title, description, (expression, ""), instant=True, options={"showHeader": True}, **rest)
    built["targets"][0]["format"] = "table"
    hidden = {"Time": True}
    built["transformations"] = [{"id": "organize", "options": {"excludeByName": hidden, "indexByName": {}, "renameByName": {}}}]
    return built


NAME = "{{namespace}}/{{scaledObject}}"
TRIGGER_NAME = "{{scaler}} {{metric}}"
TRIGGER_LABELS = "namespace, scaledObject, scaler, metric"

OVERVIEW = [
    [
        stat("ScaledObjects", "ScaledObjects that Ebb serves.", f"count({each('keda_scaled_object_paused')}) or vector(0)"),
        stat("Not ready", "ScaledObjects whose condition Ready is False.", condition("Ready", 0), GOOD_AT_ZERO),
        stat("Active", "ScaledObjects whose triggers ask for replicas.", condition("Active", 1)),
        stat("On their fallback", "ScaledObjects with a replica count of the fallback.", condition("Fallback", 1), GOOD_AT_ZERO),
        stat("Paused", "ScaledObjects that are paused.", f"sum({each('keda_scaled_object_paused')}) or vector(0)"),
        stat(
            "At their maximum", "ScaledObjects whose target has maxReplicaCount replicas.",
            f"count(({each('ebb_scaled_object_replicas')}) >= ({each('ebb_scaled_object_max_replicas')})) or vector(0)",
            steps(("green", None), ("orange", 1)),
        ),
    ],
    [
        lines("Replicas", "The replicas of all targets together.", (f"sum({each('ebb_scaled_object_replicas')})", "replicas"), step=True),
        lines(
            "Errors", "Failed readings of triggers, and failed checks and polls of ScaledObjects, each second.",
            (f"sum({series('keda_scaler_detail_errors_total', OBJECT, 'rate({}[$__rate_interval])')})", "readings"),
            (f"sum({series('keda_scaled_object_errors_total', OBJECT, 'rate({}[$__rate_interval])')})", "checks and polls"),
        ),
        stat(
            "Errors in the last hour", "Failed readings of triggers.",
            f"sum({series('keda_scaler_detail_errors_total', OBJECT, 'increase({}[1h])')})", GOOD_AT_ZERO, width=8, decimals=0,
        ),
    ],
    [
        lines(
            "Reaction time", "How late polls begin, and how long a reading of a trigger takes: the time from a message in an idle queue to the decision is at most their sum after the poll is due.",
            (quantile(0.5, "ebb_scale_loop_latency_seconds"), "poll late, median"),
            (quantile(0.99, "ebb_scale_loop_latency_seconds"), "poll late, 99 %"),
            (quantile(0.5, "ebb_scaler_latency_seconds"), "reading, median"),
            (quantile(0.99, "ebb_scaler_latency_seconds"), "reading, 99 %"),
            unit="s",
        ),
        lines("Broker clients", "Clients of brokers in use, by type. Triggers with the same address and login share one.", ("max by (type) (ebb_broker_clients)", "{{type}}"), step=True),
        lines(
            "Registered", "Triggers by type, and resources by kind.",
            ("sum by (type) (keda_trigger_registered_total)", "trigger {{type}}"),
            (by("sum", "type", series("keda_resource_registered_total", "")), "{{type}}"), step=True,
        ),
    ],
    [
        lines("Answers to HPAs", "Queries of external metrics each second, by HTTP status.", ("sum by (code) (rate(ebb_external_metric_requests_total[$__rate_interval]))", "{{code}}"), unit="reqps"),
        lines(
            "Duration of answers to HPAs", "How long Ebb takes to answer a query of an external metric.",
            (quantile(0.5, "ebb_external_metric_request_duration_seconds"), "median"),
            (quantile(0.99, "ebb_external_metric_request_duration_seconds"), "99 %"), unit="s",
        ),
        lines("API server: duration", "How long the API server takes to answer Ebb: 99 of 100 requests, without watches.", (quantile(0.99, "ebb_apiserver_request_duration_seconds", "method"), "{{method}}"), unit="s"),
    ],
    [
        lines("API server: requests", "Ebb's requests to the API server each second, without watches.", ("sum by (method, code) (rate(rest_client_requests_total[$__rate_interval]) and on (job, instance) ebb_leader)", "{{method}} {{code}}"), unit="reqps"),
        lines("Memory", "Resident memory of each replica.", ("process_resident_memory_bytes and on (job, instance) ebb_leader", "{{pod}} {{instance}}"), unit="bytes"),
        lines("CPU", "Cores that each replica uses.", ("rate(process_cpu_seconds_total[$__rate_interval]) and on (job, instance) ebb_leader", "{{pod}} {{instance}}")),
    ],
    [
        bands("Leader", "The replica that leads, and alone exports the series of ScaledObjects.", ("ebb_leader", "{{pod}} {{instance}}"), width=12, height=6, mappings=YES_NO, thresholds=steps(("text", None), ("green", 1))),
        stat("Certificate", "Days until the serving certificate ends.", "min(ebb_certificate_expiry_timestamp_seconds - time()) / 86400", steps(("red", None), ("green", 14)), width=6, decimals=0),
        panel("table", "Release", "The release and the commit of each replica.", ("keda_build_info and on (job, instance) ebb_leader", ""), width=6, height=6, instant=True, options={"showHeader": True}),
    ],
    [
        table("Not ready", "ScaledObjects whose condition Ready is False. `kubectl describe` has the reason.", f"({each('ebb_scaled_object_condition', READY)}) == 0", width=12),
        table("Late polls", "The ten ScaledObjects whose last poll was latest, in seconds.", f"topk(10, {by('max', 'namespace, resource', series('keda_internal_scale_loop_latency_seconds', RESOURCE))})", width=12, unit="s"),
    ],
]  # fmt: skip


def state(name, description):
    expression = each("ebb_scaled_object_condition", f'{OBJECT}, condition="{name}"')
    colors = (("green", None), ("orange", 1)) if name == "Fallback" else (("red" if name == "Ready" else "blue", None), ("green", 1))
    return stat(name, description, expression, steps(*colors), mappings=YES_NO)


HPA = 'horizontalpodautoscaler=~"keda-hpa-($scaledObject)"'
ONE = [
    [
        state("Ready", "The condition Ready."),
        state("Active", "The condition Active: whether the triggers ask for replicas."),
        state("Fallback", "The condition Fallback: whether a replica count has taken the place of a failed trigger."),
        stat("Paused", "Whether scaling is paused.", each("keda_scaled_object_paused"), steps(("green", None), ("orange", 1)), mappings=YES_NO),
        panel(
            "gauge", "Replicas of the maximum", "The replicas, on a scale up to maxReplicaCount.",
            (f"100 * ({each('ebb_scaled_object_replicas')}) / ({each('ebb_scaled_object_max_replicas')})", ""),
            unit="percent", width=4, height=4, instant=True, options=LAST | {"showThresholdMarkers": True}, min=0, max=100,
            thresholds=steps(("green", None), ("orange", 80), ("red", 100)),
        ),
        stat("Next change", "Seconds until the next cron window opens or closes.", f"min({each('ebb_trigger_next_change_timestamp_seconds')}) - time()", unit="s"),
    ],
    [
        lines(
            "Replicas", "The replicas within their bounds, and what the HPA wants. The latter comes from kube-state-metrics.",
            (each("ebb_scaled_object_replicas"), "replicas"),
            (each("ebb_scaled_object_min_replicas"), "minimum"),
            (each("ebb_scaled_object_max_replicas"), "maximum"),
            (by("max", "namespace, horizontalpodautoscaler", series("kube_horizontalpodautoscaler_status_desired_replicas", HPA)), "HPA wants"),
            width=12, step=True,
        ),
        lines(
            "Value and target", "What each trigger measures, and the value at which the HPA aims for each replica.",
            (each("keda_scaler_metrics_value", TRIGGER, TRIGGER_LABELS), TRIGGER_NAME),
            (each("ebb_scaler_metrics_target", TRIGGER, TRIGGER_LABELS), f"target of {TRIGGER_NAME}"), width=12,
        ),
    ],
    [
        bands("Changes in replicas", "When the number of replicas changed.", (f"clamp_max({each('ebb_scaled_object_replicas', call='changes({}[$__rate_interval])')}, 1)", NAME), width=12, height=6, mappings=YES_NO, thresholds=steps(("text", None), ("blue", 1))),
        bands("Activity", "Which triggers ask for at least one replica.", (each("keda_scaler_active", TRIGGER, TRIGGER_LABELS), TRIGGER_NAME), width=12, height=6, mappings=YES_NO, thresholds=steps(("text", None), ("green", 1))),
    ],
    [
        lines("Value by target", "The value of each trigger divided by its target: with an average value, the replicas that it asks for.", (f"({each('keda_scaler_metrics_value', TRIGGER, TRIGGER_LABELS)}) / ({each('ebb_scaler_metrics_target', TRIGGER, TRIGGER_LABELS)})", TRIGGER_NAME)),
        lines("Cron windows", "Time until the metric of each cron trigger changes: the next opening or closing of its window.", (f"({each('ebb_trigger_next_change_timestamp_seconds', TRIGGER, TRIGGER_LABELS)}) - time()", TRIGGER_NAME), unit="s"),
        lines("Latency of a reading", "How long the last reading took.", (each("keda_scaler_metrics_latency_seconds", TRIGGER, TRIGGER_LABELS), TRIGGER_NAME), unit="s"),
    ],
    [
        lines("Errors of triggers", "Failed readings each second.", (rate("keda_scaler_detail_errors_total", TRIGGER_LABELS, TRIGGER), TRIGGER_NAME)),
        lines("Errors of the ScaledObject", "Failed checks and polls each second.", (rate("keda_scaled_object_errors_total", "namespace, scaledObject"), NAME)),
        lines("Lateness of the poll", "How much later than planned the last poll began.", (by("max", "namespace, resource", series("keda_internal_scale_loop_latency_seconds", RESOURCE)), "{{namespace}}/{{resource}}"), unit="s"),
    ],
]  # fmt: skip

REQUEST = 'scaled_resource=~"$scaledObject"'
BROKERS = [
    [
        lines("Clients", "Clients of brokers in use, by type. Triggers with the same address and login share one.", ("max by (type) (ebb_broker_clients)", "{{type}}"), step=True),
        lines("Triggers", "Triggers by type.", ("sum by (type) (keda_trigger_registered_total)", "{{type}}"), step=True),
        lines("Readings", "Readings of triggers each second, by type.", ("sum by (type) (rate(ebb_scaler_latency_seconds_count[$__rate_interval]))", "{{type}}"), unit="reqps"),
    ],
    [
        lines("Latency, median", "How long a reading takes, by type: half of them.", (quantile(0.5, "ebb_scaler_latency_seconds", "type"), "{{type}}"), unit="s", width=12),
        lines("Latency, 99 %", "How long a reading takes, by type: 99 of 100.", (quantile(0.99, "ebb_scaler_latency_seconds", "type"), "{{type}}"), unit="s", width=12),
    ],
    [
        lines("Errors", "Failed readings each second, by the kind or the name of the trigger.", (rate("keda_scaler_detail_errors_total", "scaler"), "{{scaler}}")),
        lines("HTTP requests", "HTTP requests to sources each second, by type and status.", (rate("keda_scaler_http_requests_total", "scaler, status_code", REQUEST), "{{scaler}} {{status_code}}"), unit="reqps"),
        lines("HTTP duration, 99 %", "How long HTTP requests to sources take: 99 of 100.", (quantile(0.99, "keda_scaler_http_request_duration_seconds", "scaler"), "{{scaler}}"), unit="s"),
    ],
    [
        table("Slowest triggers", "The ten triggers whose last reading took longest, in seconds.", f"topk(10, {each('keda_scaler_metrics_latency_seconds', labels=TRIGGER_LABELS)})", width=12, unit="s"),
        table("Failing triggers", "The ten triggers with the most failed readings in the last ten minutes.", f"topk(10, {by('sum', TRIGGER_LABELS, series('keda_scaler_detail_errors_total', OBJECT, 'increase({}[10m])'))}) > 0", width=12, decimals=0),
    ],
    [
        lines("Answers without a value", "Answers of sources that held no value, such as queries without a result, each second.", (by("sum", "triggerName, metricName", series("keda_scaler_empty_upstream_responses_total", 'scaledResource=~"$scaledObject"', "rate({}[$__rate_interval])")) + " or vector(0)", "{{triggerName}} {{metricName}}"), width=24, height=6),
    ],
]  # fmt: skip


def variable(name, label, selector, matchers, several=True):
    """A choice among the values of a label. KEDA's dashboard has the same names."""
    query = f"query_result({by('count', name, series(selector, matchers))})"
    choice = {
        "name": name, "label": label, "type": "query", "datasource": SOURCE, "query": {"query": query, "refId": name},
        "regex": f'/{name}="([^"]+)"/', "refresh": 2, "sort": 1, "includeAll": several, "multi": several,
    }  # fmt: skip
    if several:
        choice |= {"allValue": ".*", "current": {"text": ["All"], "value": ["$__all"]}}
    return choice


def namespaces():
    everywhere = series("keda_scaled_object_paused", "")
    for label in ("exported_namespace", "namespace"):
        everywhere = everywhere.replace(f', {label}=~"$namespace"', "")
    query = f"query_result({by('count', 'namespace', everywhere)})"
    choice = variable("namespace", "Namespace", "keda_scaled_object_paused", "")
    return choice | {"query": {"query": query, "refId": "namespace"}}


def variables(one):
    source = {"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus"}
    chosen = [source, namespaces(), variable("scaledObject", "ScaledObject", "keda_scaled_object_paused", "", several=not one)]
    if one:
        chosen.append(variable("scaler", "Scaler", "keda_scaler_detail_errors_total", OBJECT))
        chosen.append(variable("metric", "Metric", "keda_scaler_detail_errors_total", OBJECT + ', scaler=~"$scaler"'))
    return chosen


def mark(name, color, expression, text):
    """Annotations: a line at each time at which the expression has a value above zero."""
    return {
        "name": name, "datasource": SOURCE, "enable": True, "iconColor": color, "expr": expression, "step": "15s",
        "titleFormat": text, "tagKeys": "", "textFormat": NAME, "useValueForTime": False,
    }  # fmt: skip


MARKS = [
    mark("Scaling", "blue", f"({each('ebb_scaled_object_replicas', call='delta({}[30s])')}) != 0", "Replicas changed"),
    mark("Ready", "red", f"({each('ebb_scaled_object_condition', READY, call='changes({}[30s])')}) > 0", "Ready changed"),
]


def dashboard(uid, title, description, rows, one=False):
    panels, top = [], 0
    for row in rows:
        left = 0
        for built in row:
            place = {"x": left, "y": top} | built["gridPos"]
            panels.append({"id": len(panels) + 1} | built | {"gridPos": place})
            left += place["w"]
        top += max(built["gridPos"]["h"] for built in row)
    links = [{"title": "Ebb", "type": "dashboards", "tags": ["ebb"], "asDropdown": True, "includeVars": True, "keepTime": True, "icon": "external link", "targetBlank": False, "tooltip": "", "url": ""}]
    return {
        "uid": uid, "title": title, "description": description, "tags": ["autoscaling", "ebb", "keda"], "schemaVersion": 39, "version": 1,
        "editable": True, "timezone": "browser", "refresh": "10s", "time": {"from": "now-1h", "to": "now"}, "links": links,
        "annotations": {"list": MARKS if one else []}, "templating": {"list": variables(one)}, "panels": panels,
    }  # fmt: skip


DASHBOARDS = [
    dashboard("ebb-overview", "Ebb: overview", "How many ScaledObjects there are, how they do, how fast Ebb is, and what goes wrong.", OVERVIEW),
    dashboard("ebb-scaledobject", "Ebb: one ScaledObject", "What its triggers measure, which replicas follow, and why.", ONE, one=True),
    dashboard("ebb-brokers", "Ebb: brokers", "How fast the sources of triggers answer, and which fail.", BROKERS),
]


def main():
    folder = pathlib.Path(__file__).parent
    stale = []
    for built in DASHBOARDS:
        path, text = folder / f"{built['uid']}.json", json.dumps(built, indent=2) + "\n"
        if sys.argv[1:] != ["--check"]:
            path.write_text(text)
        elif not path.exists() or path.read_text() != text:
            stale.append(path.name)
    if stale:
        sys.exit(f"not what generate.py writes: {', '.join(stale)}")


if __name__ == "__main__":
    main()
