/** A registry's refusal in words: which credentials or token it refused, and where they came from. */
import { kindOfStatus } from '../http/status.ts';
import type { Outcome } from '../outcome.ts';
import type { Authorization } from './auth-memory.ts';
import type { Found } from './auth-ways.ts';
import type { Challenge } from './challenge.ts';
import { describeSource } from './credentials.ts';

export interface Refusal {
  readonly status: number;
  readonly challenges: readonly Challenge[];
  /** What the registry said about it, in parentheses. */
  readonly words: Promise<string>;
}

/** The outcome of a refusal. `noneFound`: that there are no credentials, and where they were looked for. */
export async function refusalOf(
  { status, words }: Refusal,
  sent: Authorization | undefined,
  context: { readonly challenges: readonly Challenge[]; readonly found: Found; readonly noneFound: string },
): Promise<Outcome<never>> {
  const kind = kindOfStatus(status);
  if (!sent && status !== 401) return { kind, reason: `HTTP ${status}${await words}` };
  if (!sent) {
    return { kind, reason: unanswerable(context) ?? `HTTP ${status} without a challenge${await words}` };
  }
  const said = `HTTP ${status}${await words}`;
  const server = URL.parse(sent.challenge.parameters.get('realm') ?? '')?.host ?? '';
  const { credentials } = sent;
  if (credentials) {
    const whose = `the credentials of ${describeSource(credentials.source)}`;
    const what = sent.scope === undefined ? whose : `a token of ${server} for ${whose}`;
    return { kind, reason: `refuses ${what}: ${said}`, credentials: credentials.source };
  }
  const isNobody = status === 401 && !context.found.credentials && !context.found.problem;
  const why = sent.withheld ?? (isNobody ? context.noneFound : undefined);
  return {
    kind,
    reason: `refuses an anonymous token of ${server}: ${said}${why === undefined ? '' : `; ${why}`}`,
  };
}

/** Why none of the challenges can be answered. */
function unanswerable({
  challenges,
  found: { credentials, problem },
  noneFound,
}: {
  readonly challenges: readonly Challenge[];
  readonly found: Found;
  readonly noneFound: string;
}): string | undefined {
  if (challenges.length === 0) return undefined;
  const schemes = challenges.map(({ scheme }) => scheme);
  if (!schemes.includes('basic')) return `asks for ${schemes.join(', ')} authentication only`;
  if (problem !== undefined) return problem;
  if (credentials?.kind !== 'identityToken') return noneFound;
  return `wants a password, but ${describeSource(credentials.source)} has an identity token`;
}
