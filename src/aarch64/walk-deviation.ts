import type { AArch64Registers } from '../registers.ts';
import type { MemoryTypeTable } from './walk-memory-type.ts';
import type { StageOne } from './walk-stage-one.ts';
import type { StageTwo } from './walk-stage-two.ts';

/**
 * How a processor departs from the architecture in what it makes of the registers. The walk reads nothing but the
 * stages that are changed here, so that a walker can say just what such a processor does.
 */
export interface StageDeviation {
  readonly stageOne?: (stage: StageOne, registers: AArch64Registers) => StageOne;
  readonly stageTwo?: (stage: StageTwo, registers: AArch64Registers) => StageTwo;
  /** The types that both stages together make, see `combinedMemoryTypes`; it gets those of the architecture last. */
  readonly combinedTypes?: (
    one: MemoryTypeTable,
    two: MemoryTypeTable,
    combined: MemoryTypeTable,
  ) => MemoryTypeTable;
  /** The fault status code of stage 2 for a descriptor that stage 1 needs at `level`; it gets that of the architecture. */
  readonly tableFaultStatus?: (status: number, level: number) => number;
}
