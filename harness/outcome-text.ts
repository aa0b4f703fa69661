import { decodeAArch64Fault, describeAArch64Fault, intermediatePageOf } from '../src/aarch64/walk-fault.ts';
import { aarch64MemoryTypeName } from '../src/aarch64/walk-memory-type.ts';
import { hex } from '../src/addresses.ts';
import { HPFAR_NONE, HPFAR_OPEN, isStructuralFault, Known } from '../src/outcome-list.ts';
import type { Architecture } from '../src/registers.ts';
import { describeX64Fault, x64MemoryTypeName } from '../src/x64/walk-fault.ts';
import type { Outcome } from './outcome.ts';
import type { ReportedFault, ReportedOutcome } from './report.ts';

/** How an architecture's columns are put into words. */
interface Wording {
  /** The register that holds the address of a fault. */
  readonly faultAddress: string;
  fault(fault: number): string;
  /** For machines that know class and status of a fault but not the rest of its syndrome. */
  faultStatus(fault: number): string;
  /** For machines that know the class of a fault but not its status. */
  faultClass(fault: number): string;
  memoryType(type: number): string;
}

const WORDINGS: Readonly<Record<Architecture, Wording>> = {
  x64: {
    faultAddress: 'CR2',
    fault: describeX64Fault,
    faultStatus: describeX64Fault,
    faultClass: (fault) => describeX64Fault(fault).replace(/ error code.*/, ''),
    memoryType: x64MemoryTypeName,
  },
  aarch64: {
    faultAddress: 'FAR',
    fault: describeAArch64Fault,
    faultStatus: (fault) => {
      const { kind, cause, level } = decodeAArch64Fault(fault);
      return `${kind}, ${cause}${level === undefined ? '' : ` level ${level}`}`;
    },
    faultClass: (fault) => decodeAArch64Fault(fault).kind,
    memoryType: aarch64MemoryTypeName,
  },
};

/** "WB"; "normal write-back, inner shareable": a value of the `memoryType` column in words. */
export function memoryTypeText(type: number, architecture: Architecture): string {
  return WORDINGS[architecture].memoryType(type);
}

/** An outcome in words, with what is not known left out or named as unknown; null if nothing is known. */
export function reportOutcome(outcome: Outcome, architecture: Architecture): ReportedOutcome | null {
  const { known } = outcome;
  if ((known & Known.Completion) === 0) return null;
  return outcome.fault === 0
    ? reportCompletion(outcome, WORDINGS[architecture])
    : reportFault(outcome, WORDINGS[architecture]);
}

function reportCompletion(
  { known, physicalAddress, memoryType }: Outcome,
  wording: Wording,
): ReportedOutcome {
  const address = (known & Known.PhysicalAddress) !== 0 ? placeText(physicalAddress) : undefined;
  const type = (known & Known.MemoryType) !== 0 ? wording.memoryType(memoryType) : undefined;
  return {
    completes: true,
    ...(address !== undefined && { physicalAddress: address }),
    ...(type !== undefined && { memoryType: type }),
    text: `completes${address === undefined ? '' : ` at ${address}`}${type === undefined ? '' : `, ${type}`}`,
  };
}

function placeText(physicalAddress: number): string {
  return physicalAddress < 0 ? 'a place without a name' : hex(physicalAddress);
}

function reportFault(outcome: Outcome, wording: Wording): ReportedOutcome {
  const { known, fault, faultAddress, physicalAddress } = outcome;
  if (isStructuralFault(fault)) {
    const where = physicalAddress < 0 ? '' : ` at ${hex(physicalAddress)},`; // a machine does not say it
    return { completes: false, text: `the walk needs a table entry${where} where no memory is` };
  }
  const address = (known & Known.FaultAddress) !== 0 ? hex(faultAddress) : undefined;
  const hasStatus = (known & Known.FaultStatus) !== 0;
  const { stage, where, text } = stageOf(outcome);
  return {
    completes: false,
    ...(hasStatus && { fault: hex(fault) }),
    ...(address !== undefined && { faultAddress: address }),
    ...(stage !== undefined && { stage }),
    ...where,
    text: `faults: ${stage === undefined ? '' : `stage ${stage} `}${faultText(known, fault, wording)}${address === undefined ? '' : `, ${wording.faultAddress} ${address}`}${text}`,
  };
}

/** Of two stages the one that faulted; of the second also HPFAR_EL2 and the intermediate page that it names. */
function stageOf({ hpfar }: Outcome): {
  readonly stage?: 1 | 2;
  readonly where?: Pick<ReportedFault, 'hpfar' | 'intermediatePage'>;
  readonly text: string;
} {
  switch (hpfar) {
    case undefined:
      return { text: '' };
    case HPFAR_NONE:
      return { stage: 1, text: '' };
    case HPFAR_OPEN:
      return { stage: 2, text: ', HPFAR_EL2 not defined' };
    default: {
      const where = { hpfar: hex(hpfar), intermediatePage: hex(intermediatePageOf(hpfar)) };
      return { stage: 2, where, text: `, IPA page ${where.intermediatePage} (HPFAR_EL2 ${where.hpfar})` };
    }
  }
}

function faultText(known: number, fault: number, wording: Wording): string {
  if ((known & Known.Syndrome) !== 0) return wording.fault(fault);
  if ((known & Known.FaultStatus) !== 0) return wording.faultStatus(fault);
  return (known & Known.FaultClass) !== 0 ? wording.faultClass(fault) : 'some fault';
}
