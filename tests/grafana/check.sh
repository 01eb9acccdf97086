#!/usr/bin/env bash
# Checks Ebb's dashboards against the types of Grafana's own package @grafana/schema, which npm fetches (26 MB).
#
#   tests/grafana/check.sh
set -euo pipefail
cd "$(dirname "$0")/../.."
work=target/grafana
mkdir -p "$work"
[ -e "$work/package.json" ] || echo '{"private": true}' >"$work/package.json"
npm install --prefix "$work" --no-audit --no-fund --ignore-scripts --loglevel=error @grafana/schema@13.2.3 typescript@5.9.3 >/dev/null

# A literal is no value of an enum in TypeScript, hence the enums as unions of their literals. Each known kind of panel has its
# own options and fields.
cat >"$work/types.ts" <<'END'
import type { Dashboard, Panel, VariableModel, AnnotationQuery } from '@grafana/schema';
import type * as stat from '@grafana/schema/dist/esm/raw/composable/stat/panelcfg/x/StatPanelCfg_types.gen';
import type * as gauge from '@grafana/schema/dist/esm/raw/composable/gauge/panelcfg/x/GaugePanelCfg_types.gen';
import type * as table from '@grafana/schema/dist/esm/raw/composable/table/panelcfg/x/TablePanelCfg_types.gen';
import type * as timeseries from '@grafana/schema/dist/esm/raw/composable/timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen';
import type * as timeline from '@grafana/schema/dist/esm/raw/composable/statetimeline/panelcfg/x/StateTimelinePanelCfg_types.gen';

type Json<T> = T extends string ? `${T}` : T extends number ? (`${T}` extends `${infer N extends number}` ? N : T)
  : T extends (infer U)[] ? Json<U>[] : T extends object ? { [K in keyof T]: Json<T[K]> } : T;
type Partly<T> = T extends (infer U)[] ? Partly<U>[] : T extends object ? { [K in keyof T]?: Partly<T[K]> } : T;
// The package has no type of the query of this data source.
type Prometheus = { refId: string; datasource: { type: 'prometheus'; uid: string }; expr: string; legendFormat: string;
  instant?: boolean; range?: boolean; format?: 'table' };
type Of<Kind extends string, Options, Fields> = Omit<Json<Panel>, 'type' | 'options' | 'fieldConfig' | 'targets'> & {
  type: Kind;
  options: Partly<Json<Options>>;
  targets: Prometheus[];
  fieldConfig: { defaults: Omit<NonNullable<Json<Panel>['fieldConfig']>['defaults'], 'custom'> & { custom?: Partly<Json<Fields>> }; overrides: [] };
};
type Known = Of<'stat', stat.Options, {}> | Of<'gauge', gauge.Options, {}> | Of<'table', table.Options, table.FieldConfig>
  | Of<'timeseries', timeseries.Options, timeseries.FieldConfig> | Of<'state-timeline', timeline.Options, timeline.FieldConfig>;
export type Checked = Omit<Json<Dashboard>, 'panels' | 'templating' | 'annotations'> & {
  panels: Known[];
  templating: { list: Json<VariableModel>[] };
  annotations: { list: (Json<AnnotationQuery> & Record<string, unknown>)[] };
};
END
for dashboard in deploy/grafana/*.json; do
	name=$(basename "$dashboard" .json)
	{
		echo "import type { Checked } from './types';"
		echo "export const dashboard: Checked ="
		cat "$dashboard"
	} >"$work/$name.ts"
done
"$work/node_modules/.bin/tsc" --noEmit --strict --skipLibCheck --target es2022 --module esnext --moduleResolution bundler "$work"/*.ts
echo "dashboards: $(ls deploy/grafana/*.json | wc -l) fit Grafana's types"
