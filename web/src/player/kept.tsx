import { Trans } from '@lingui/react/macro';
import { useEffect, useState } from 'react';
import { standing } from '~/lib/standing';
import { useStore } from '~/lib/store';

/** Long enough to be read; then the film has the picture to itself again. */
const shownMs = 12_000;

/** Says once that the place in the film is kept here while the cinema does not take it. */
export function Kept() {
  const keeping = useStore(standing, (s) => !!s.keeping);
  return <div role="status">{keeping && <Words />}</div>;
}

function Words() {
  const [over, setOver] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setOver(true), shownMs);
    return () => clearTimeout(timer);
  }, []);
  if (over) return null;
  return (
    <div className="pointer-events-none absolute inset-x-0 top-20 flex justify-center px-4">
      <p className="max-w-md rounded-md bg-black/80 px-4 py-2 text-center text-sm text-white">
        <Trans>Your place in the film is kept on this device and will be sent later.</Trans>
      </p>
    </div>
  );
}
