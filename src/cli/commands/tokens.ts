/** `entrepot token create NAME`, `entrepot token list`, `entrepot token revoke NAME`. */
import type { ListedToken, WantedToken } from '../../admin/robot-tokens.ts';
import type { LoadOptions } from '../../config/load.ts';
import { withAdministration } from '../administration.ts';
import type { Result } from '../output/result.ts';
import { type Column, formatTable } from '../output/table.ts';

/** The token is in the result, and nowhere else. Throws EntrepotError USAGE for a name that is taken. */
export async function createToken(wanted: WantedToken, options: LoadOptions): Promise<Result> {
  const made = await withAdministration(options, ({ tokens }) => tokens.create(wanted), {
    makesFolder: true,
  });
  const { name, token, match, may, expires, warning } = made;
  const end = expires === null ? 'it never expires' : `until ${day(expires)}`;
  const lines = [
    token,
    `${name} may ${may.join(', ')} ${match.join(', ')}; ${end}`,
    `The token is not shown again. Log in with: docker login --username ${name} --password-stdin HOST`,
    ...(warning === null ? [] : [`warning: ${warning}`]),
  ];
  return { exitCode: 0, json: made, text: `${lines.join('\n')}\n` };
}

/** By name. */
export async function listTokens(options: LoadOptions): Promise<Result> {
  const listed = await withAdministration(options, ({ tokens }) => tokens.list());
  const none = 'there are no tokens: make one with "entrepot token create NAME --match GLOB"\n';
  return { exitCode: 0, json: listed, text: listed.length === 0 ? none : formatTable(columns, listed) };
}

/** Throws EntrepotError USAGE where there is none of this name. */
export async function revokeToken(name: string, options: LoadOptions): Promise<Result> {
  const revoked = await withAdministration(options, ({ tokens }) => tokens.revoke(name));
  return { exitCode: 0, json: revoked, text: `${name} is revoked\n` };
}

const columns: readonly Column<ListedToken>[] = [
  { head: 'NAME', cell: ({ name }) => name },
  { head: 'MAY', cell: ({ may }) => may.join(',') },
  { head: 'IMAGES', cell: ({ match }) => match.join(' ') },
  { head: 'CREATED', cell: ({ created }) => day(created) },
  {
    head: 'EXPIRES',
    cell: ({ expires, expired }) => (expires === null ? 'never' : day(expires)) + (expired ? ' (over)' : ''),
  },
];

/** `2026-01-31 09:05Z`. */
function day(isoTime: string): string {
  return `${isoTime.slice(0, 10)} ${isoTime.slice(11, 16)}Z`;
}
