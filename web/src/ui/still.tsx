import { cx } from './cx';
import { Picture } from './picture';

interface Props {
  image: { colour: string; placeholder: string; w640: string; w1280: string; w1920: string } | null | undefined;
  /** How high it may be. */
  className: string;
  /** What lies over it, so that words on it can be read. */
  veil: string;
}

/** The picture that a page begins with, as wide as the page. */
export const Still = ({ image, className, veil }: Props) => (
  <div className="relative">
    <Picture
      image={image}
      sources={[[image?.w640, 640], [image?.w1280, 1280], [image?.w1920, 1920]]}
      sizes="100vw"
      ratio="16/9"
      alt=""
      priority
      className={cx('w-full', className)}
    />
    <div aria-hidden className={cx('absolute inset-0', veil)} />
  </div>
);
