import { useLingui } from '@lingui/react/macro';
import { Link } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import { graphql } from '~/gql/gql';
import type { TitleCardFragment } from '~/gql/graphql';
import { cx } from './cx';
import { Picture } from './picture';
import { Skeleton } from './skeleton';

export const TitleCardFields = graphql(/* GraphQL */ `
  fragment TitleCard on Title {
    id
    name(locale: $locale)
    year
    poster { colour placeholder w200: url(width: 200) w400: url(width: 400) w800: url(width: 800) }
  }
`);

/** Widths of posters in rows and grids; one place, so that skeletons have the same. */
export const posterWidth = 'w-32 sm:w-40 xl:w-44 3xl:w-52';
const posterSizes = '(width >= 120rem) 208px, (width >= 80rem) 176px, (width >= 40rem) 160px, 128px';

interface Props {
  title: TitleCardFragment;
  /** A line under the name instead of year and kind. */
  note?: ReactNode;
  /** The name with marks, as search shows it. */
  name?: ReactNode;
  className?: string;
  tabIndex?: number;
  onOpen?: () => void;
  from?: 'row' | 'search' | 'similar' | 'person' | 'list';
}

/** A poster with its name; the whole card is one link. */
export function TitleCard({ title, note, name, className, tabIndex, onOpen, from }: Props) {
  const { t } = useLingui();
  const poster = title.poster;
  return (
    <Link
      to="/title/$id"
      params={{ id: title.id }}
      state={(now) => ({ ...now, from })}
      tabIndex={tabIndex}
      onClick={onOpen}
      draggable={false}
      data-item
      className={cx('group/card block rounded-md outline-offset-4', className)}
    >
      <Picture
        image={poster}
        sources={[[poster?.w200, 200], [poster?.w400, 400], [poster?.w800, 800]]}
        sizes={posterSizes}
        ratio="2/3"
        alt=""
        instead={title.name}
        className="rounded-md transition-[filter,box-shadow] group-hover/card:shadow-[0_0_0_2px_var(--text-1)]"
      />
      <span className="mt-2 line-clamp-2 text-sm leading-5 font-medium text-text-1">{name ?? title.name}</span>
      <span className="block truncate text-xs leading-5 text-text-3">
        {note ?? [title.year, title.__typename === 'Series' ? t`Series` : null].filter(Boolean).join(' · ')}
      </span>
    </Link>
  );
}

export const TitleCardSkeleton = ({ className }: { className?: string }) => (
  <div className={className}>
    <Skeleton className="aspect-[2/3] w-full" />
    <Skeleton className="mt-2.5 h-3.5 w-4/5" />
    <Skeleton className="mt-2 mb-1.5 h-3 w-1/3" />
  </div>
);

/** Posters that fill the width, as many as fit. */
export const posterGrid =
  'grid grid-cols-[repeat(auto-fill,minmax(104px,1fr))] gap-x-3 gap-y-6 sm:grid-cols-[repeat(auto-fill,minmax(150px,1fr))] sm:gap-x-4 sm:gap-y-8 3xl:grid-cols-[repeat(auto-fill,minmax(190px,1fr))]';
