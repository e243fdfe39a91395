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
  /** The header `Date`. */
  readonly date?: string | undefined;
}

export interface RefusalContext {
  /** Those of all answers so far. */
  readonly challenges: readonly Challenge[];
  readonly found: Found;
  readonly noneFound: string;
  /** Epoch ms. */
  readonly now: number;
}

/** The outcome of a refusal. `noneFound`: that there are no credentials, and where they were looked for. */
export async function refusalOf(
  refusal: Refusal,
  sent: Authorization | undefined,
  context: RefusalContext,
): Promise<Outcome<never>> {
  const { status, words } = refusal;
  const kind = kindOfStatus(status);
  if (!sent && status !== 401) return { kind, reason: `HTTP ${status}${await words}` };
  if (!sent) {
    return { kind, reason: unanswerable(context) ?? `HTTP ${status} without a challenge${await words}` };
  }
  const said = `HTTP ${status}${await words}`;
  const server = URL.parse(sent.challenge.parameters.get('realm') ?? '')?.host ?? '';
  const { credentials } = sent;
  if (credentials?.kind === 'signingKey') {
    const { source } = credentials;
    const refused = `refuses a token signed with ${describeSource(source)}: ${said}`;
    if (status !== 401) return { kind, reason: refused, credentials: source };
    const { whyRefused } = await import('./signed-refusal.ts');
    const { challenges, date } = refusal;
    const why = await whyRefused({
      credentials,
      scope: sent.scope ?? '',
      challenges,
      date,
      now: context.now,
    });
    return { kind, reason: `${refused}; ${why}`, credentials: source };
  }
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
  if (credentials?.kind === 'signingKey') {
    return `wants a password, but ${describeSource(credentials.source)} has a key that signs tokens`;
  }
  if (credentials?.kind !== 'identityToken') return noneFound;
  return `wants a password, but ${describeSource(credentials.source)} has an identity token`;
}
