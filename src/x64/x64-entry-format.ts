import { MemoryAttributes } from '../memory-attributes.ts';
import type { EntryFormat } from '../patina/entry-format.ts';
import { EntryHigh, EntryLow } from './entry-bits.ts';

const { ExecuteProtect, ReadOnly, ReadProtect, Supervisor } = MemoryAttributes;

/**
 * x64 entries (SDM Vol. 3A §4.5) as patina-paging writes them: A and D survive, cache and software bits are
 * cleared, cache attributes are ignored (MTRRs decide), and read-protect is P = 0 with the address kept.
 * @param supervisorAttribute whether the Supervisor attribute clears U/S; otherwise U/S is always set
 */
function x64EntryFormat(supervisorAttribute: boolean): EntryFormat {
  const supervisorBit = supervisorAttribute ? Supervisor : 0;

  function restrictions(low: number, high: number): number {
    return (
      ((low & EntryLow.Writable) === 0 ? ReadOnly : 0) |
      ((high & EntryHigh.ExecuteDisable) !== 0 ? ExecuteProtect : 0) |
      ((low & EntryLow.User) === 0 ? supervisorBit : 0)
    );
  }

  return {
    present: EntryLow.Present,
    leafMask: EntryLow.PageSize,
    leafValue: EntryLow.PageSize,
    addressHigh: EntryHigh.Address,
    tableLow: EntryLow.Present | EntryLow.Writable | EntryLow.User,
    tableKeepLow: EntryLow.Accessed | EntryLow.Dirty,
    tableKeepHigh: 0,
    attributesLow: EntryLow.Writable | EntryLow.User,
    attributesHigh: EntryHigh.ExecuteDisable,
    levelNames: ['PT', 'PD', 'PDPT', 'PML4', 'PML5'],
    fields: [
      { name: 'XD', bits: [63, 63] },
      { name: 'available', bits: [62, 52] },
      { name: 'address', bits: [51, 12] },
      { name: 'AVL', bits: [11, 9] },
      { name: 'G', bits: [8, 8] },
      { name: 'PS', bits: [7, 7] },
      { name: 'D', bits: [6, 6] },
      { name: 'A', bits: [5, 5] },
      { name: 'PCD', bits: [4, 4] },
      { name: 'PWT', bits: [3, 3] },
      { name: 'U/S', bits: [2, 2] },
      { name: 'R/W', bits: [1, 1] },
      { name: 'P', bits: [0, 0] },
    ],

    leafTemplate(attributes) {
      const present = (attributes & ReadProtect) === 0;
      const page =
        (present ? EntryLow.Present : 0) |
        ((attributes & ReadOnly) === 0 ? EntryLow.Writable : 0) |
        ((attributes & supervisorBit) === 0 ? EntryLow.User : 0);
      return {
        attributes,
        keepLow: EntryLow.Accessed | EntryLow.Dirty,
        keepHigh: 0,
        pageLow: page,
        largeLow: present ? page | EntryLow.PageSize : page,
        setHigh: (attributes & ExecuteProtect) !== 0 ? EntryHigh.ExecuteDisable : 0,
        refusal: undefined,
      };
    },

    leafAttributes: (low, high, inherited) => restrictions(low, high) | inherited,
    tableRestrictions: restrictions,
  };
}

/** With the Supervisor attribute ignored. */
export const X64_FORMAT = x64EntryFormat(false);
/** With the Supervisor attribute honoured. */
export const X64_SUPERVISOR_FORMAT = x64EntryFormat(true);
