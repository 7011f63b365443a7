import { useState } from 'react';
import { cx } from './cx';

interface Props {
  image: { colour: string; placeholder: string } | null | undefined;
  /** Addresses by the width in pixels asked for. */
  sources: readonly (readonly [url: string | undefined, width: number])[];
  /** How wide it is shown, as in <img sizes>. */
  sizes: string;
  ratio: '2/3' | '16/9';
  alt: string;
  /** The first picture of the page: loaded at once and before others. */
  priority?: boolean;
  className?: string;
  /** Shown in the box when there is no picture. */
  instead?: string;
}

/** A picture in a box that is reserved from the start: its colour, then its blur, then itself. */
export function Picture({ image, sources, sizes, ratio, alt, priority, className, instead }: Props) {
  const [state, setState] = useState<'loading' | 'there' | 'failed'>('loading');
  // One address may serve several widths: the smallest picture that is wide enough.
  const known = sources.filter((s): s is readonly [string, number] => !!s[0]).filter(([url], i, all) => all.findIndex(([u]) => u === url) === i);
  const widest = known[known.length - 1];
  return (
    <div
      className={cx('relative overflow-hidden bg-surface-2', className)}
      style={{
        aspectRatio: ratio,
        ...(image ? { backgroundColor: image.colour } : {}),
        ...(image?.placeholder && state !== 'there'
          ? { backgroundImage: `url("${image.placeholder}")`, backgroundSize: 'cover', backgroundPosition: 'center' }
          : {}),
      }}
    >
      {widest && state !== 'failed' ? (
        <img
          src={widest[0]}
          srcSet={known.map(([url, width]) => `${url} ${width}w`).join(', ')}
          sizes={sizes}
          alt={alt}
          draggable={false}
          loading={priority ? 'eager' : 'lazy'}
          fetchPriority={priority ? 'high' : undefined}
          decoding="async"
          onLoad={() => setState('there')}
          onError={() => setState('failed')}
          // From memory it may be there before React listens.
          ref={(img) => {
            if (img?.complete && img.naturalWidth > 0 && state === 'loading') setState('there');
          }}
          className={cx('absolute inset-0 size-full object-cover transition-opacity duration-200', state === 'there' ? 'opacity-100' : 'opacity-0')}
        />
      ) : (
        instead && (
          <span aria-hidden className="absolute inset-0 flex items-end p-3 text-sm leading-tight font-semibold text-balance text-text-2">
            {instead}
          </span>
        )
      )}
    </div>
  );
}
