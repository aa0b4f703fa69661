import type { MemoryAttributeBits } from '../memory-attributes.ts';

/** How leaves with certain attributes are written: `entry = (old & keep) | set | address`. */
export interface LeafTemplate {
  readonly attributes: MemoryAttributeBits;
  /** Bits of the old low word that survive. */
  readonly keepLow: number;
  /** Bits of the old high word that survive. */
  readonly keepHigh: number;
  /** Bits to set in the low word of a page (last level). */
  readonly pageLow: number;
  /** Bits to set in the low word of a large page. */
  readonly largeLow: number;
  /** Bits to set in the high word. */
  readonly setHigh: number;
  /** Why these attributes cannot be encoded; undefined if they can. The error comes with the first leaf. */
  readonly refusal: string | undefined;
}

/** A column of the dump: a field of an entry. */
export interface EntryField {
  readonly name: string;
  /** Highest and lowest bit. */
  readonly bits: readonly [number, number];
}

/**
 * The entries of one architecture and regime, as data for the operations that all page tables share. Levels
 * count from 1 (the last) upwards, as patina-paging counts them; entries are two 32-bit words, low first.
 */
export interface EntryFormat {
  /** Low-word bit that says that the entry is in use. */
  readonly present: number;
  /** At levels 2 and 3 an entry is a large page if `(low & leafMask) === leafValue`. */
  readonly leafMask: number;
  readonly leafValue: number;
  /** Bits of the high word that belong to the address. */
  readonly addressHigh: number;
  /** Low word of an entry that leads to a table, without the address. */
  readonly tableLow: number;
  /** Bits of the old words that survive when an entry is made to lead to a table. */
  readonly tableKeepLow: number;
  readonly tableKeepHigh: number;
  /** Bits on which {@link EntryFormat.leafAttributes} depends: entries that agree in them have the same attributes. */
  readonly attributesLow: number;
  readonly attributesHigh: number;
  /** Names of the levels, level 1 first. */
  readonly levelNames: readonly string[];
  readonly fields: readonly EntryField[];

  /** How leaves with these attributes are written. */
  leafTemplate(attributes: MemoryAttributeBits): LeafTemplate;
  /**
   * The attributes of a present leaf together with what the tables above it forbid. The result may have
   * {@link PRIVATE_ATTRIBUTES}, which leafTemplate understands and no caller of the engine sees.
   */
  leafAttributes(low: number, high: number, inherited: MemoryAttributeBits): MemoryAttributeBits;
  /** What a table entry forbids below it, as attributes. */
  tableRestrictions(low: number, high: number): MemoryAttributeBits;
}

/** Bits beside MemoryAttributes in which a format keeps what no attribute can say. */
export const PRIVATE_ATTRIBUTES = 0x7000_0000;
