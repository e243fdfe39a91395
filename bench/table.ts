/** The lines of a run as text, for people: figures, then how many times as good as each peer, then what was promised. */
import { isMet, type Line, ratio } from './measure.ts';

const heads = ['row', 'what', 'unit', 'entrepot', 'docker-registry', 'nginx', 'x d-r', 'x nginx', 'goal', ''];
const short = {
  entrepot: '',
  'docker-registry': 'x d-r',
  nginx: 'x nginx',
  skopeo: 'x skopeo',
  regsync: 'x regsync',
  'aws-sdk': 'x aws-sdk',
  zot: 'x zot',
};
/** Tools without a column: their figures are in the last one. */
const others = ['skopeo', 'regsync', 'aws-sdk', 'zot'] as const;
const isText = (column: number) => column < 3 || column > 7;

export function table(lines: readonly Line[]): string {
  const rows = lines.map((line, index) => [
    lines[index - 1]?.row === line.row ? '' : line.row,
    line.what,
    line.unit,
    figure(line.values.entrepot),
    figure(line.values['docker-registry']),
    figure(line.values.nginx),
    times(ratio(line, 'docker-registry')),
    times(ratio(line, 'nginx')),
    goalText(line),
    [verdict(line), ...beside(line), line.note].filter(Boolean).join('  '),
  ]);
  const widths = heads.map((head, column) =>
    Math.max(head.length, ...rows.map((row) => (row[column] ?? '').length)),
  );
  return [heads, widths.map((width) => '-'.repeat(width)), ...rows]
    .map((row) =>
      row
        .map((cell, column) => {
          const width = column === heads.length - 1 ? 0 : (widths[column] ?? 0);
          return isText(column) ? cell.padEnd(width) : cell.padStart(width);
        })
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

/** `skopeo 1234 (x skopeo 2.10)`. */
function beside(line: Line): readonly string[] {
  return others
    .filter((tool) => line.values[tool] !== undefined)
    .map((tool) => `${tool} ${figure(line.values[tool])} (${short[tool]} ${times(ratio(line, tool))})`);
}

function figure(value: number | undefined): string {
  if (value === undefined) return '-';
  if (value >= 100) return String(Math.round(value));
  return value >= 10 ? value.toFixed(1) : value.toFixed(2);
}

function times(value: number | undefined): string {
  if (value === undefined) return '-';
  return value >= 10 ? value.toFixed(0) : value.toFixed(2);
}

function goalText({ goals = [] }: Line): string {
  const texts = goals.map((goal) =>
    'atMost' in goal ? `<= ${goal.atMost}` : `${short[goal.against]} >= ${goal.atLeast}`,
  );
  return texts.join(', ');
}

function verdict(line: Line): string {
  const met = isMet(line);
  return met === undefined ? '' : met ? 'met' : 'MISSED';
}
