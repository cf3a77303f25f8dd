// Names of actions in words: `tap_3_2` is a cell of the grid over the picture, the others are their own words.

/** [all, row, column] from 0, or null for an action that is no tap of a cell. */
export const cellOf = (name) => /^tap_(\d+)_(\d+)$/.exec(name);

export function inWords(name) {
  const cell = cellOf(name);
  return cell ? `tap row ${Number(cell[1]) + 1}, column ${Number(cell[2]) + 1}` : name.replaceAll("_", " ");
}
