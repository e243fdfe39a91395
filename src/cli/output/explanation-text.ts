/** An explanation in words, for a person with a pull that fails. */

import type { Allowance } from '../../access/rights.ts';
import type { Explanation, LeftOut, PlacedEndpoint } from '../../admin/explanation.ts';
import type { PushMode } from '../../config/config.ts';
import { objectLabel } from '../../config/policies/object-fields.ts';
import type { Origin } from '../../config/registries-conf/registries.ts';
import type { ExplainedGate } from '../../gate/gates-for.ts';
import { formatReference, parseReference, type Reference, referenceName } from '../../oci/reference.ts';
import { whyUnavailable } from '../../pull/verdict-text.ts';
import { describeSource } from '../../upstream/auth/credentials.ts';
import { verdict } from '../../upstream/consequences.ts';
import type { Attempt } from '../../upstream/outcome.ts';
import { meantByClients } from './client-name.ts';
import { describeConnection } from './endpoint-connection.ts';

/** `attempts`: one for each endpoint, if they were asked. */
export async function explanationAsText(
  explanation: Explanation,
  attempts?: readonly Attempt[],
): Promise<string> {
  const { config, reference, endpoints, leftOut } = explanation;
  const numbered = await Promise.all(
    endpoints.map(async (placed, index) => [
      '',
      `${index + 1}. ${placed.endpoint.role} ${formatReference(placed.endpoint.reference)}`,
      ...rows(await endpointRows(placed, explanation, attempts?.[index])),
    ]),
  );
  const lines = [
    formatReference(reference),
    ...rows([...headRows(explanation), ...accessRows(explanation), ...explanation.gates.map(gateRow)]),
    ...numbered.flat(),
    ...(leftOut.length === 0 ? [] : ['', 'left out', ...leftOut.map(describeLeftOut)]),
    '',
    clientsAnswer(explanation, attempts),
    ...config.warnings.map(({ message, ...origin }) => `warning: ${place(origin)}: ${message}`),
  ];
  return `${lines.join('\n')}\n`;
}

/** The origin of entries of the built-in list. */
const builtIn: Origin['file'] = 'built-in';

type Row = readonly [label: string, text: string];

function rows(all: readonly Row[]): string[] {
  const width = Math.max(...all.map(([label]) => label.length));
  return all.map(([label, text]) => `   ${label.padEnd(width)}  ${text}`);
}

/** Gates refuse what is cached, too, so the answer below counts only for what passes them. */
function gateRow({ name, kind, on, rule }: ExplainedGate): Row {
  return ['gate', `"${name}" (${kind}, on ${on.join(' and ')}): ${rule}`];
}

function headRows({ config, given, reference, match, shard }: Explanation): Row[] {
  const { files, aliases } = config.registries;
  const head: Row[] = [];
  if (match) {
    const { prefix, prefixLine, origin } = match.entry;
    head.push(['prefix', `${prefix}, written in ${place({ ...origin, line: prefixLine ?? origin.line })}`]);
  } else head.push(['prefix', `none matches, in ${files.join(', ') || 'the built-in list'}`]);
  if (match?.entry.blocked) {
    const { blockedOrigin, origin } = match.entry;
    head.push([
      'blocked',
      blockedOrigin ? `by ${place(blockedOrigin)}` : `by blocked = true of ${place(origin)}`,
    ]);
  }
  if (reference.digest === undefined && reference.tag === undefined) {
    head.push(['tag', 'none given: clients ask for "latest"']);
  }
  const { cluster } = config.server;
  if (cluster && shard !== undefined) {
    const whose =
      cluster.dns === undefined ? '' : `, whose owner among the addresses of ${cluster.dns} is asked first`;
    head.push(['cluster', `shard ${shard}${whose}`]);
  }
  const alias = aliases.get(given.replace(/@.*$/, '').replace(/:[^/]*$/, ''));
  if (alias !== undefined && !isNameOf(alias, reference)) {
    head.push(['alias', `[aliases] makes this ${alias} for podman, before it asks: explain that name, too`]);
  }
  const meant = meantByClients(given, config.server);
  if (meant !== undefined) {
    head.push(['name', `a client that asks this server for it gets ${meant}: explain that name, too`]);
  }
  return head;
}

const answering: Readonly<Record<PushMode, string>> = {
  local: 'this server alone answers; no endpoint is ever asked',
  overlay: 'what was pushed here comes first, then the endpoints',
  fill: 'what was pushed fills the cache; a tag follows the endpoints when they answer',
};

function accessRows({ pushRule, access }: Explanation): Row[] {
  const found: Row[] = pushRule
    ? [
        [
          'pushes',
          `mode = "${pushRule.mode}" of [[push]] match = "${pushRule.match}": ${answering[pushRule.mode]}`,
        ],
      ]
    : [];
  if (!access) return found;
  const noPush = pushRule ? undefined : 'no [[push]] matches, so it is refused (405)';
  const noDelete = pushRule?.delete === false ? 'its [[push]] has delete = false' : noPush;
  return [
    ...found,
    ['as', `${access.name} (${access.kind})`],
    ['may pull', allowanceText(access.pull)],
    ['may push', writeText(access.push, noPush)],
    ['may delete', writeText(access.delete, noDelete)],
  ];
}

/** `obstacle`: why no principal may, whatever its rights are. */
function writeText(allowance: Allowance | undefined, obstacle: string | undefined): string {
  const rights = allowanceText(allowance);
  if (obstacle === undefined) return rights;
  return allowance ? `no; ${obstacle} (its rights: ${rights})` : `no; ${obstacle}`;
}

function allowanceText(allowance: Allowance | undefined): string {
  switch (allowance?.by) {
    case 'rule': {
      const { who, match, line } = allowance.rule;
      return `yes, by the [[access.rule]] of line ${line}: who = ${JSON.stringify(who)}, match = "${match}"`;
    }
    case 'anonymous':
      return 'yes, by access.anonymous: every client may';
    case 'grant':
      return 'yes, by the token itself';
    case 'default':
      return 'yes: without any [[access.rule]], every account may pull';
    case undefined:
      return 'no';
  }
}

function isNameOf(text: string, reference: Reference): boolean {
  const parsed = parseReference(text);
  return parsed.ok && referenceName(parsed.value) === referenceName(reference);
}

async function endpointRows(
  { endpoint, origin, insecureOrigin }: PlacedEndpoint,
  { config }: Explanation,
  attempt: Attempt | undefined,
): Promise<Row[]> {
  const written: Row[] = origin ? [['location', `${endpoint.location}, written in ${place(origin)}`]] : [];
  if (endpoint.blockedBy !== undefined) {
    return [...written, ['never asked', `blocked = true in the entry for ${endpoint.blockedBy}`]];
  }
  const { scheme, certificates, credentials, proxy } = await describeConnection(endpoint, config);
  return [
    ...written,
    ['TLS', scheme],
    ...(insecureOrigin ? [['insecure', `by ${place(insecureOrigin)}`] as const] : []),
    ['certificates', certificates],
    ['credentials', credentials],
    ['proxy', proxy],
    ...(endpoint.namespaceProxy === undefined ? [] : [['ns', endpoint.namespaceProxy] as const]),
    ...(attempt ? [['answer', describeAttempt(attempt)] as const] : []),
  ];
}

function describeAttempt({ outcome, reason, ms, credentials }: Attempt): string {
  const used = credentials ? `with ${describeSource(credentials)}` : 'without credentials';
  const detail = reason === undefined ? '' : `: ${reason}`;
  return outcome === 'skipped' ? `not asked${detail}` : `${outcome} after ${ms} ms, ${used}${detail}`;
}

function describeLeftOut({ mirror, reason }: LeftOut): string {
  return `   ${mirror.location}, written in ${place(mirror.origin)}: ${reason}`;
}

/** The answer that a client gets, apart from what the cache holds: an explanation does not look there. */
function clientsAnswer(
  { config, endpoints, refusal, pushRule, access }: Explanation,
  attempts: readonly Attempt[] | undefined,
): string {
  if (access && !access.pull && refusal === undefined) {
    const login = access.kind === 'anonymous' ? ', or 401 where accounts exist' : '';
    return `A client gets 404${login}: ${access.name} may not pull this image.`;
  }
  if (pushRule?.mode === 'local') return 'A client gets what was pushed here, else 404.';
  if (refusal !== undefined) return `A client is refused (403), and no host is contacted: ${refusal}.`;
  if (config.server.upstream.offline) {
    return 'A client gets what is cached, else 503: upstream.offline is set, and no host is contacted.';
  }
  if (endpoints.every(({ endpoint }) => endpoint.blockedBy !== undefined)) {
    return 'A client gets what is cached, else 502: every endpoint is blocked.';
  }
  if (!attempts) {
    return (
      'A client gets the first good answer. Without one it gets 404 if every endpoint said 404, else 502 with what each ' +
      'endpoint said.'
    );
  }
  const good = attempts.findIndex(({ outcome }) => outcome === 'ok');
  if (good >= 0) return `A client gets the answer of endpoint ${good + 1}.`;
  switch (verdict(attempts).kind) {
    case 'notFound':
      return 'A client gets 404: every endpoint that may be asked says that there is no such image.';
    case 'rateLimited':
      return 'A client gets what is cached, else 503: the registry limits requests.';
    case 'offline':
    case 'refused':
    case 'unavailable':
      return `A client gets what is cached, else 502: ${whyUnavailable(attempts)}.`;
  }
}

function place({ file, line, object }: Omit<Origin, 'line'> & { line?: number | undefined }): string {
  if (file === builtIn) return 'the built-in list';
  const where = line === undefined ? file : `${file}:${line}`;
  return object ? `${where}, ${objectLabel(object)}` : where;
}
