import { Known, x64ErrorCode, x64Vector } from '../src/outcome-list.ts';
import { PageFaultError, Vector } from '../src/x64/walk-fault.ts';
import type { DeviatingProbe, Erratum } from './errata.ts';

/** A reserved bit is reported with P = 0; all else is as predicted. */
function forgetsPresent({ predicted, observed }: DeviatingProbe): boolean {
  const errorCode = x64ErrorCode(predicted.fault);
  const sameAddress =
    (observed.known & Known.FaultAddress) === 0 || observed.faultAddress === predicted.faultAddress;
  return (
    x64Vector(predicted.fault) === Vector.PageFault &&
    (errorCode & PageFaultError.Reserved) !== 0 &&
    (errorCode & PageFaultError.Present) !== 0 &&
    (predicted.fault ^ observed.fault) >>> 0 === PageFaultError.Present &&
    sameAddress
  );
}

/** Deviations of machines that run x64 tables. */
export const X64_ERRATA: readonly Erratum[] = [
  {
    rule: 'reserved-bit-fault-reports-not-present',
    machine: 'qemu-x64',
    from: '7.2',
    before: '7.3',
    description:
      'a page fault for a reserved bit has P = 0 in its error code; the SDM has P = 1 whenever RSVD is 1 (Vol. 3A §4.7).',
    test: 'test/machines/errata.test.ts',
    explains: forgetsPresent,
  },
];
