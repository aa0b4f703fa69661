import { KNOWN_ALL } from '../outcome-list.ts';
import type { AArch64Registers } from '../registers.ts';
import { Shareability } from './descriptor-bits.ts';
import { type MemoryTypeTable, SHAREABILITY_COLUMN_SHIFT } from './walk-memory-type.ts';
import { EL1_AND_0 } from './walk-regime.ts';
import { bit, Hcr, Sctlr } from './walk-registers.ts';
import { type AddressRange, signBits } from './walk-stage.ts';
import { checkedFeatures, refuseUnmodelled } from './walk-stage-one.ts';

/** Stage 1 of EL1&0 while it is off: addresses pass as they are (Arm ARM D8.2, "stage 1 address translation disabled"). */
export interface StageOneOff {
  /** By address bit 55, which selects TBI0 or TBI1; only the lower one has addresses that pass. */
  readonly ranges: readonly AddressRange[];
  /** {@link OffType} of the access. */
  readonly memoryTypes: MemoryTypeTable;
}

/** Index into the memory types of {@link StageOneOff}. */
export const OffType = { Data: 0, Fetch: 1 } as const;

const DEVICE_NGNRNE = 0x00;
const NON_CACHEABLE = 0x44;
const WRITE_THROUGH_READ_ALLOCATE = 0xaa;
const WRITE_BACK = 0xff;

/** @throws RangeError as `decodeStageOne` */
export function decodeStageOneOff(registers: AArch64Registers): StageOneOff {
  const { tcr, sctlr, hcrEl2 } = registers;
  refuseUnmodelled(registers, EL1_AND_0);
  const cpu = checkedFeatures(registers);
  const outer = Shareability.Outer << SHAREABILITY_COLUMN_SHIFT;
  const fetched = bit(sctlr, Sctlr.I) ? WRITE_THROUGH_READ_ALLOCATE : NON_CACHEABLE;
  const types = bit(hcrEl2, Hcr.DC) ? [WRITE_BACK, WRITE_BACK] : [DEVICE_NGNRNE | outer, fetched | outer];
  return {
    ranges: EL1_AND_0.ranges.map((fields) => {
      const ignore = bit(tcr, fields.topByteIgnore);
      const ignoreForFetch = ignore && !(cpu.topByteIgnoreDataOnly && bit(tcr, fields.topByteIgnoreDataOnly));
      return {
        upper: fields.base === 'ttbr1',
        inputBits: cpu.physicalAddressBits,
        dataSign: signBits(cpu.physicalAddressBits, ignore),
        fetchSign: signBits(cpu.physicalAddressBits, ignoreForFetch),
        fetchDropsTopByte: ignoreForFetch,
      };
    }),
    memoryTypes: { types: Uint16Array.from(types), known: Uint8Array.from(types, () => KNOWN_ALL) },
  };
}
