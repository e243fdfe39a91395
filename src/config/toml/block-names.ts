/** The key `name` of the tables of one array, such as `[[sync]]`: required, and each its own. */
import type { StrictTable } from './strict-table.ts';
import { blockName } from './value-kinds.ts';

/** Reads the name of one table after the other. `header`: of the array. Undefined where it is missing or no name; the table then has a problem. */
export function createBlockNames(header: string): (table: StrictTable) => string | undefined {
  const names = new Set<string>();
  return (table) => {
    const name = table.required('name', blockName);
    if (name === undefined) return undefined;
    if (names.has(name)) {
      const message = `${header}.name "${name}" is the name of another [[${header}]], too: each needs its own`;
      table.problem('name', message);
    }
    names.add(name);
    return name;
  };
}
