/**
 * Image references: `registry/repository:tag@digest`. Grammar and normalisation are those of package docker/reference in
 * github.com/containers/image, so that registries.conf means the same here as there:
 *
 *   domain      labels of [A-Za-z0-9-] joined by dots, no dash at either end; optional `:digits`; no IPv6
 *   repository  components of [a-z0-9]+ joined by `.`, `_`, `__` or dashes; components joined by `/`
 *   tag         [A-Za-z0-9_][A-Za-z0-9_.-]{0,127}
 *   domain and repository together have at most 255 characters
 *
 * Text before the first `/` is a domain only with a `.` or `:` in it, or as `localhost`; otherwise the domain is
 * docker.io, where a one-component repository gets `library/`. Letters of a domain keep their case.
 */
import { type Digest, parseDigest } from './digest.ts';
import { dockerHub, dockerHubIndex, withLibrary } from './docker-hub.ts';

declare const repositoryBrand: unique symbol;
declare const tagBrand: unique symbol;

/** A checked repository path, without the registry: `library/alpine`. */
export type Repository = string & { readonly [repositoryBrand]: true };
/** A checked tag. */
export type Tag = string & { readonly [tagBrand]: true };

export interface Reference {
  /** `host` or `host:port`, as written, but docker.io for index.docker.io. */
  readonly registry: string;
  readonly repository: Repository;
  readonly tag?: Tag;
  readonly digest?: Digest;
}

export type Parsed<T> =
  | { readonly ok: true; readonly value: T }
  /** `problem` continues the sentence "REFERENCE ...": it names what is wrong. */
  | { readonly ok: false; readonly problem: string };

/** Characters of domain and repository together (distribution/reference, RepositoryNameTotalLengthMax). */
export const maxNameLength = 255;

const label = '(?:[A-Za-z0-9]|[A-Za-z0-9][A-Za-z0-9-]*[A-Za-z0-9])';
const component = '[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*';
const domainForm = new RegExp(`^${label}(?:\\.${label})*(?::[0-9]+)?$`);
const repositoryForm = new RegExp(`^${component}(?:/${component})*$`);
const tagForm = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/;
const bareHex = /^[a-f0-9]{64}$/;

/** Whether `text` is a registry's `host` or `host:port`. */
export function isDomain(text: string): boolean {
  return text.length <= maxNameLength && domainForm.test(text);
}

/** Whether the first component of a name is a registry and not a part of the repository: it has a `.` or `:`, or is `localhost`. */
export function looksLikeRegistry(component: string): boolean {
  return /[.:]/.test(component) || component === 'localhost';
}

/** `host[:port]` of a location, a prefix or a name with a path: the text before the first slash. */
export function hostOf(location: string): string {
  const slash = location.indexOf('/');
  return slash < 0 ? location : location.slice(0, slash);
}

/** `text` as a repository path; undefined if it is none. */
export function parseRepository(text: string): Repository | undefined {
  return text.length <= maxNameLength && repositoryForm.test(text) ? (text as Repository) : undefined;
}

/** `text` as a tag; undefined if it is none. */
export function parseTag(text: string): Tag | undefined {
  return tagForm.test(text) ? (text as Tag) : undefined;
}

/** Reads and normalises a reference as people write it (`alpine`, `quay.io/a/b:1`). Adds no `:latest`. */
export function parseReference(text: string): Parsed<Reference> {
  if (text === '') return failed('is empty');
  if (bareHex.test(text)) return failed('is a bare 64-character hex string: write it as name@sha256:...');

  const { name, tag: tagText, digest: digestText } = split(text);
  const { registry, path } = splitDomain(name);
  // A host with an underscore is no domain, but the first component of a path, as in docker/reference.
  if (!isDomain(registry) && !parseRepository(registry)) {
    return failed(`has an invalid registry "${registry}"`);
  }
  if (path !== path.toLowerCase()) return failed(`has upper-case letters in its repository "${path}"`);
  const repository = parseRepository(path);
  if (!repository) return failed(path === '' ? 'names no repository' : `has an invalid repository "${path}"`);
  if (registry.length + 1 + repository.length > maxNameLength) {
    return failed(`has a name longer than ${maxNameLength} characters`);
  }

  const tag = tagText === undefined ? undefined : parseTag(tagText);
  if (tagText !== undefined && !tag) return failed(`has an invalid tag "${tagText}"`);
  const digest = digestText === undefined ? undefined : parseDigest(digestText);
  if (digestText !== undefined && !digest) return failed(`has an invalid digest "${digestText}"`);
  return { ok: true, value: { registry, repository, ...(tag && { tag }), ...(digest && { digest }) } };
}

/** `registry/repository`: the key of everything that is kept per repository. */
export function referenceName(reference: Reference): string {
  return `${reference.registry}/${reference.repository}`;
}

/** The reference as text. `parseReference` gives the same value for it. */
export function formatReference(reference: Reference): string {
  const tag = reference.tag === undefined ? '' : `:${reference.tag}`;
  const digest = reference.digest === undefined ? '' : `@${reference.digest}`;
  return `${referenceName(reference)}${tag}${digest}`;
}

function failed(problem: string): Parsed<never> {
  return { ok: false, problem };
}

function split(text: string): { name: string; tag?: string; digest?: string } {
  const at = text.indexOf('@');
  const beforeDigest = at < 0 ? text : text.slice(0, at);
  const colon = beforeDigest.indexOf(':', beforeDigest.lastIndexOf('/') + 1);
  // A single component with a colon is `name:tag`, never `host:port`.
  const name = colon < 0 ? beforeDigest : beforeDigest.slice(0, colon);
  return {
    name,
    ...(colon >= 0 && { tag: beforeDigest.slice(colon + 1) }),
    ...(at >= 0 && { digest: text.slice(at + 1) }),
  };
}

function splitDomain(name: string): { registry: string; path: string } {
  const slash = name.indexOf('/');
  const first = slash < 0 ? '' : name.slice(0, slash);
  const isRegistry = looksLikeRegistry(first);
  const named = first === dockerHubIndex ? dockerHub : first;
  const registry = isRegistry ? named : dockerHub;
  const path = isRegistry ? name.slice(slash + 1) : name;
  return { registry, path: withLibrary(registry, path) };
}
