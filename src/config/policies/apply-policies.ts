/**
 * Objects of a cluster onto registries.conf, as OpenShift renders them for its nodes: all of them or none. The result is a
 * configuration like any other; its entries and mirrors know the object that each comes from (`Origin.object`).
 */
import { joinErrors } from '../../errors.ts';
import type { ConfigWarning } from '../config.ts';
import { builtInEntries, hasBuiltInList } from '../registries-conf/built-in.ts';
import { byPrefixText } from '../registries-conf/entries.ts';
import { findEntry } from '../registries-conf/match.ts';
import type { RegistriesConf } from '../registries-conf/registries.ts';
import { checkRendered } from './check-rendered.ts';
import type { ImageConfig, PolicyObject } from './policy-object.ts';
import { renderObjects } from './render.ts';
import { plainHost, problemsOf } from './validate-objects.ts';

/** What is in force, and what to warn about. */
export interface AppliedPolicies {
  readonly conf: RegistriesConf;
  readonly warnings: readonly ConfigWarning[];
}

/** Neither names of objects nor their order change the result, apart from origins. Throws one EntrepotError CONFIG_INVALID for all problems. */
export function applyPolicies(conf: RegistriesConf, objects: readonly PolicyObject[]): AppliedPolicies {
  const problems = problemsOf(objects);
  if (problems.length > 0) throw joinErrors(problems);
  const warnings: ConfigWarning[] = [];
  const isBuiltIn = hasBuiltInList(conf);
  const entries = checkRendered(renderObjects(isBuiltIn ? [] : conf.entries, objects), warnings);
  const rendered = { ...conf, entries };
  // OpenShift writes them into a drop-in of their own, which replaces the list of registries.conf.
  const search = objects.findLast(hasSearch)?.search?.map(({ text }) => plainHost(text));
  const unqualifiedSearchRegistries = search ?? conf.unqualifiedSearchRegistries;
  return {
    conf: { ...(isBuiltIn ? withBuiltIn(rendered) : rendered), unqualifiedSearchRegistries },
    warnings,
  };
}

/** The built-in list is no file that an object could change: it lists what no object covers. */
function withBuiltIn(rendered: RegistriesConf): RegistriesConf {
  const others = builtInEntries.filter(({ prefix }) => !findEntry(rendered, prefix));
  const entries = [...rendered.entries, ...others];
  return { ...rendered, entries: entries.sort(byPrefixText) };
}

function hasSearch(object: PolicyObject): object is ImageConfig {
  return object.kind === 'Image' && object.search !== undefined;
}
