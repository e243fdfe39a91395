/**
 * Scopes of Docker's token protocol (distribution docs, "Token Scope Documentation"): `repository:NAME:pull,push`. A name
 * may hold a port, so the first and the last colon count. A request may bear several `scope` parameters, and one may hold
 * several scopes with spaces between them.
 */
import type { Right } from '../../config/config.ts';

export interface Scope {
  readonly type: string;
  /** `<name>` as a client addresses the repository. */
  readonly name: string;
  /** As written: `pull`, `push`, `delete`, `*`. */
  readonly actions: readonly string[];
}

/** A hundred layers may be mounted from as many repositories. */
export const maxScopes = 200;

/** Undefined where one has not the form, or where there are too many. */
export function parseScopes(parameters: readonly string[]): readonly Scope[] | undefined {
  const texts = parameters.flatMap((parameter) => parameter.split(' ')).filter((text) => text !== '');
  if (texts.length > maxScopes) return undefined;
  const scopes = texts.map(parseScope);
  return scopes.every((scope) => scope !== undefined) ? scopes : undefined;
}

function parseScope(text: string): Scope | undefined {
  const first = text.indexOf(':');
  const last = text.lastIndexOf(':');
  if (first <= 0 || last <= first + 1) return undefined;
  // `repository(plugin)` is the same kind of thing.
  const type = text.slice(0, first).replace(/\(.*\)$/, '');
  const actions = text
    .slice(last + 1)
    .split(',')
    .filter((action) => action !== '');
  return { type, name: text.slice(first + 1, last), actions };
}

/** The scope that a challenge asks for. */
export function scopeText(name: string, actions: readonly Right[]): string {
  return `repository:${name}:${actions.join(',')}`;
}

/** The rights that an action means. */
export function rightsOf(action: string): readonly Right[] {
  switch (action) {
    case 'pull':
    case 'push':
    case 'delete':
      return [action];
    case '*':
      return ['pull', 'push', 'delete'];
    default:
      return [];
  }
}
