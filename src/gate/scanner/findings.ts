/** What a scanner found in an image, and whether that refuses it. */
import { type ScannerGate, type Severity, severities } from '../../config/gates/gate-config.ts';
import { foreignWords } from '../../lib/foreign-words.ts';
import { isJsonObject } from '../../oci/parse-json.ts';

export interface Finding {
  readonly id: string;
  readonly severity: Severity;
}

export type Scanned =
  | { readonly ok: true; readonly findings: readonly Finding[] }
  /** The scanner itself refuses the image. */
  | { readonly ok: true; readonly denied: string }
  /** A sentence fragment: there is no verdict. */
  | { readonly ok: false; readonly reason: string };

/** Findings that a refusal names. */
const maxNamed = 5;

/** Severities in any case, as scanners write them; what is no known one is `unknown`. */
export function readFinding(id: unknown, severity: unknown): Finding {
  const text = String(severity).toLowerCase();
  return {
    id: foreignWords(String(id), { max: 100 }),
    severity: severities.find((known) => known === text) ?? 'unknown',
  };
}

/** Findings of a list of objects with `id` (or `name`) and `severity`; what is no object is left out. */
export function readFindings(list: unknown): readonly Finding[] {
  const items = Array.isArray(list) ? list.filter(isJsonObject) : [];
  return items.map(({ id, name, severity }) => readFinding(id ?? name, severity));
}

/** Why the findings refuse the image; undefined if they do not. */
export function refusalOf(
  findings: readonly Finding[],
  { severity, ignore }: Pick<ScannerGate, 'severity' | 'ignore'>,
): string | undefined {
  const least = severities.indexOf(severity);
  const counted = findings.filter(
    (one) => severities.indexOf(one.severity) >= least && !ignore.includes(one.id),
  );
  const worst = new Map<string, Finding>();
  for (const one of counted) {
    const known = worst.get(one.id);
    if (!known || severities.indexOf(known.severity) < severities.indexOf(one.severity))
      worst.set(one.id, one);
  }
  if (worst.size === 0) return undefined;
  const named = [...worst.values()]
    .sort((a, b) => severities.indexOf(b.severity) - severities.indexOf(a.severity))
    .slice(0, maxNamed)
    .map(({ id, severity: how }) => `${id} (${how})`);
  const others = worst.size - named.length;
  return `it has ${named.join(', ')}${others > 0 ? ` and ${others} more` : ''}`;
}
