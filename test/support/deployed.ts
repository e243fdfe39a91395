/** What `deploy/` has of queries, for the tests that hold them against the program. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface Query {
  /** Where it stands: the title of a panel, the name of an alert. */
  readonly at: string;
  readonly expr: string;
  /** What is shown of each of its series, such as `{{host}}`. */
  readonly legend: string;
}

interface Panel {
  readonly title: string;
  readonly targets?: readonly { readonly expr: string; readonly legendFormat: string }[];
}

interface Dashboard {
  readonly panels: readonly Panel[];
  readonly annotations: { readonly list: readonly { readonly expr: string; readonly titleFormat: string }[] };
  readonly templating: { readonly list: readonly { readonly name: string; readonly query: unknown }[] };
}

const folder = join(import.meta.dirname, '..', '..', 'deploy');
/** Their paths. */
export const deployed = {
  alerts: join(folder, 'prometheus/alerts.yaml'),
  alertTests: join(folder, 'prometheus/alerts.test.yaml'),
  unit: join(folder, 'systemd/entrepot.service'),
};
export const alerts = readFileSync(deployed.alerts, 'utf8');
export const dashboard = JSON.parse(readFileSync(join(folder, 'grafana/entrepot.json'), 'utf8')) as Dashboard;

export function dashboardQueries(): readonly Query[] {
  const { panels, annotations } = dashboard;
  return [
    ...panels.flatMap(({ title, targets = [] }) =>
      targets.map(({ expr, legendFormat }) => ({ at: title, expr, legend: legendFormat })),
    ),
    ...annotations.list.map(({ expr, titleFormat }) => ({ at: 'annotations', expr, legend: titleFormat })),
  ];
}

/** The metrics that a text names, each with the labels that it selects or groups by there. */
export function metricsIn(
  text: string,
): readonly { readonly name: string; readonly labels: readonly string[] }[] {
  return [...text.matchAll(/\b((?:entrepot|nodejs|process)_\w+)(?:\{([^}]*)\})?/g)].map(
    ([, name = '', selector = '']) => ({
      name,
      labels: [...selector.matchAll(/(\w+)\s*(?:=~?|!=|!~)/g)].map(([, label = '']) => label),
    }),
  );
}

/** Labels that a query groups by, or joins on. */
export function groupingsIn(expr: string): readonly string[] {
  return [...expr.matchAll(/\b(?:by|on)\s*\(([^)]*)\)/g)].flatMap(([, labels = '']) =>
    labels.split(',').map((label) => label.trim()),
  );
}
