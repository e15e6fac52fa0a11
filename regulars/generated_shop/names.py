"""Names, cities and streets of the generated shop, with how often each occurs.

Written by hand for this package. Surnames stand with their share of China's people per 10,000
(rounded, after the census rankings); the other lists are in order of frequency and weighed by
`zipf`. A few characters (𠮷, 𫖯, 𬭎, 𬱖, 𬀩) lie outside of Unicode's first plane: four bytes
in UTF-8, two units in UTF-16, in GB18030 but not in GBK.
"""

from typing import Final, NamedTuple

import numpy as np


class Surname(NamedTuple):
    """A Chinese family name of one character or two, its pinyin without tones, its weight."""

    character: str
    latin: str
    weight: float


class GivenNameCharacter(NamedTuple):
    """A character of given names, its pinyin, its weight among the characters of either sex."""

    character: str
    latin: str
    female_weight: float
    male_weight: float


class City(NamedTuple):
    """A city, its province, its weight within its country."""

    name: str
    province: str
    weight: float
    country: str


def zipf(count: int, offset: float = 8.0) -> np.ndarray:
    """Shares that fall like 1 / (offset + rank) and add up to 1.

    With 8, the first of 110 characters takes 4.6 %, about as 伟 does of men's given names.
    """
    weights = 1.0 / (offset + np.arange(count))
    shares: np.ndarray = weights / weights.sum()
    return shares


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_SURNAMES = """
王 Wang 717, 李 Li 700, 张 Zhang 674, 刘 Liu 520, 陈 Chen 461, 杨 Yang 312, 赵 Zhao 228,
黄 Huang 225, 周 Zhou 203, 吴 Wu 201, 徐 Xu 157, 孙 Sun 153, 胡 Hu 131, 朱 Zhu 126, 高 Gao 121,
林 Lin 119, 何 He 112, 郭 Guo 111, 马 Ma 106, 罗 Luo 89, 梁 Liang 84, 宋 Song 81, 郑 Zheng 79,
谢 Xie 74, 韩 Han 69, 唐 Tang 67, 冯 Feng 64, 于 Yu 62, 董 Dong 60, 萧 Xiao 15, 肖 Xiao 45,
程 Cheng 58, 曹 Cao 57, 袁 Yuan 55, 邓 Deng 54, 许 Xu 54, 傅 Fu 44, 沈 Shen 50, 曾 Zeng 50,
彭 Peng 49, 吕 Lyu 47, 苏 Su 46, 卢 Lu 46, 蒋 Jiang 46, 蔡 Cai 46, 贾 Jia 42, 丁 Ding 42,
魏 Wei 42, 薛 Xue 41, 叶 Ye 41, 阎 Yan 20, 闫 Yan 22, 余 Yu 39, 潘 Pan 38, 杜 Du 38, 戴 Dai 36,
夏 Xia 36, 钟 Zhong 36, 汪 Wang 36, 田 Tian 35, 任 Ren 35, 姜 Jiang 34, 范 Fan 34, 方 Fang 33,
石 Shi 33, 姚 Yao 32, 谭 Tan 32, 廖 Liao 32, 邹 Zou 30, 熊 Xiong 30, 金 Jin 29, 陆 Lu 29, 郝 Hao 27,
孔 Kong 27, 白 Bai 26, 崔 Cui 25, 康 Kang 25, 毛 Mao 24, 邱 Qiu 24, 秦 Qin 23, 江 Jiang 22,
史 Shi 21, 顾 Gu 21, 侯 Hou 21, 邵 Shao 21, 孟 Meng 20, 龙 Long 20, 万 Wan 20, 段 Duan 19,
雷 Lei 18, 钱 Qian 18, 汤 Tang 18, 尹 Yin 18, 黎 Li 18, 易 Yi 18, 常 Chang 17, 武 Wu 17, 乔 Qiao 17,
贺 He 17, 赖 Lai 16, 龚 Gong 16, 文 Wen 16, 庞 Pang 14, 樊 Fan 14, 兰 Lan 14, 殷 Yin 13, 施 Shi 13,
陶 Tao 13, 洪 Hong 13, 翟 Zhai 12, 安 An 12, 颜 Yan 12, 倪 Ni 11, 严 Yan 11, 牛 Niu 11, 温 Wen 10,
季 Ji 10, 俞 Yu 10, 章 Zhang 10, 鲁 Lu 10, 葛 Ge 10, 伍 Wu 9, 韦 Wei 9, 欧阳 Ouyang 9, 吉 Ji 6,
上官 Shangguan 2, 司马 Sima 2, 诸葛 Zhuge 1, 司徒 Situ 1, 𠮷 Ji 2
"""

# The most frequent first, each for its sex; a character that stands in both is given to both.
_MALE = """
伟wei 强qiang 磊lei 军jun 杰jie 勇yong 明ming 超chao 涛tao 华hua 建jian 国guo 文wen 志zhi 平ping
辉hui 鹏peng 浩hao 宇yu 峰feng 波bo 刚gang 斌bin 俊jun 飞fei 龙long 鑫xin 海hai 博bo 林lin 东dong
亮liang 晨chen 凯kai 永yong 健jian 成cheng 毅yi 天tian 小xiao 家jia 晓xiao 庆qing 宏hong 立li 云yun
旭xu 洋yang 子zi 轩xuan 昊hao 然ran 泽ze 睿rui 翔xiang 嘉jia 新xin 振zhen 德de 光guang 荣rong 春chun
生sheng 福fu 祥xiang 金jin 玉yu 少shao 世shi 正zheng 兴xing 安an 瑞rui 康kang 松song 江jiang 胜sheng
学xue 良liang 利li 民min 航hang 锋feng 帆fan 阳yang 楠nan 雷lei 彬bin 威wei 恒heng 启qi 乐le 思si
一yi 卫wei 元yuan 铭ming 皓hao 霖lin 桐tong 煜yu 晟sheng 炜wei 骏jun 哲zhe 逸yi 奕yi 诚cheng 瀚han
权quan 维wei 希xi 远yuan 坤kun 培pei 达da 伦lun 震zhen 弘hong 𬭎hong 𫖯fu 𬀩wei
"""
_FEMALE = """
芳fang 娜na 敏min 静jing 丽li 娟juan 艳yan 霞xia 秀xiu 燕yan 英ying 玲ling 桂gui 萍ping 红hong
婷ting 雪xue 慧hui 莉li 梅mei 丹dan 琳lin 玉yu 兰lan 洁jie 云yun 倩qian 颖ying 欣xin 佳jia 蕾lei
薇wei 月yue 莹ying 雨yu 琴qin 珍zhen 凤feng 淑shu 晶jing 媛yuan 璐lu 露lu 菲fei 思si 梦meng 涵han
怡yi 婧jing 悦yue 瑶yao 琪qi 蓉rong 茜qian 莲lian 香xiang 青qing 春chun 华hua 文wen 晓xiao 小xiao
美mei 爱ai 惠hui 珊shan 冰bing 彤tong 诗shi 雅ya 妍yan 馨xin 韵yun 可ke 一yi 子zi 嘉jia 若ruo 语yu
宁ning 心xin 晨chen 苗miao 萌meng 楠nan 蓓bei 芬fen 芸yun 荷he 翠cui 巧qiao 凡fan 岚lan 昕xin 曦xi
祺qi 筱xiao 卉hui 盈ying 仪yi 姗shan 娇jiao 婕jie 彩cai 艺yi 𬱖wei
"""

# Characters for readings that have only one above: a clerk who hears a name writes one of these.
_MORE_HOMOPHONES = """
艾ai 岸an 百bai 贝bei 兵bing 勃bo 财cai 草cao 昌chang 朝chao 辰chen 纯chun 脆cui 大da 代dai 单dan
得de 登deng 鼎ding 冬dong 渡du 端duan 房fang 非fei 纷fen 富fu 钢gang 皋gao 歌ge 功gong 古gu
广guang 贵gui 果guo 亥hai 杭hang 豪hao 衡heng 厚hou 虎hu 花hua 皇huang 皎jiao 进jin 涓juan 楷kai
亢kang 珂ke 空kong 昆kun 来lai 勒le 连lian 辽liao 凌ling 柳liu 隆long 仑lun 洛luo 绿lyu 玛ma 茂mao
妙miao 纳na 男nan 妮ni 凝ning 纽niu 攀pan 旁pang 佩pei 朋peng 蔷qiang 勤qin 秋qiu 全quan 冉ran
仁ren 容rong 锐rui 偌ruo 绍shao 慎shen 实shi 书shu 丝si 颂song 素su 笋sun 谈tan 棠tang 桃tao
甜tian 亭ting 同tong 婉wan 旺wang 喜xi 侠xia 协xie 星xing 雄xiong 修xiu 宣xuan 亚ya 业ye 银yin
泳yong 则ze 增zeng 宅zhai 照zhao 喆zhe 政zheng 智zhi 忠zhong 舟zhou 珠zhu 紫zi 奏zou
"""

FEMALE_ENGLISH_NAMES: Final = _words("""
Lily Amy Lucy Grace Alice Emily Cindy Vivian Tina Helen Jenny Linda Anna Sophia Jessica
Nancy Cathy Fiona Joyce Iris Wendy Sarah Mia Claire Olivia Yvonne Bella Daisy Echo Ruby
""")
MALE_ENGLISH_NAMES: Final = _words("""
Kevin Jack Tom Michael David Eric Leo Jason Tony Peter Andy Daniel Alex Frank Ryan Henry
Steven Mike Allen Jerry Vincent Oscar Felix Martin Ben Simon Edward Owen Colin Ray
""")

_CITIES = """
北京市 北京市 95, 上海市 上海市 100, 广州市 广东省 75, 深圳市 广东省 70,
成都市 四川省 50, 杭州市 浙江省 48, 武汉市 湖北省 42, 南京市 江苏省 40,
重庆市 重庆市 40, 西安市 陕西省 36, 苏州市 江苏省 34, 天津市 天津市 32,
长沙市 湖南省 28, 郑州市 河南省 26, 青岛市 山东省 24, 宁波市 浙江省 22,
东莞市 广东省 20, 佛山市 广东省 19, 合肥市 安徽省 19, 济南市 山东省 18,
沈阳市 辽宁省 18, 厦门市 福建省 17, 福州市 福建省 16, 无锡市 江苏省 16,
大连市 辽宁省 15, 昆明市 云南省 14, 哈尔滨市 黑龙江省 13, 长春市 吉林省 12,
石家庄市 河北省 12, 南昌市 江西省 11, 南宁市 广西壮族自治区 11,
贵阳市 贵州省 10, 太原市 山西省 10, 温州市 浙江省 10, 泉州市 福建省 9,
珠海市 广东省 8, 兰州市 甘肃省 7, 海口市 海南省 6, 呼和浩特市 内蒙古自治区 5,
乌鲁木齐市 新疆维吾尔自治区 5, 洛阳市 河南省 5, 西宁市 青海省 2
"""
_CITIES_ABROAD = """
新加坡 新加坡 30 Singapore, 伦敦 英格兰 20 United-Kingdom, 悉尼 新南威尔士 18 Australia,
多伦多 安大略 16 Canada, 旧金山 加利福尼亚 16 United-States
"""

STREETS: Final = _words("""
人民路 中山路 解放路 建设路 和平路 新华路 文化路 胜利路 光明路 长江路 黄河路 学院路 北京路
南京路 上海路 公园路 青年路 友谊路 朝阳路 滨江路 花园路 环城路 体育路 迎宾路 新民街 文昌街
大学路 书院街 桂花巷 梧桐街 东风路 育才路 湖滨路 科技路 创业街 平安路 幸福路 翠竹街 银杏路
玉兰路
""")
BUSINESS_WORDS: Final = _words("""
新知 博文 育才 启明 远航 思源 百川 春晖 致远 弘毅 文澜 博雅 星火 晨光 汇英 学而 智慧树 双语
新干线 明德 求是 英华 朗文 金桥 培优 环球 语林 书香 海纳 恒思
""")
BUSINESS_KINDS: Final = _words("""
教育培训中心 外国语学校 英语学校 教育科技有限公司 职业技术学院 书店 文化传播有限公司
国际学校
""")
MAIL_PROVIDERS: Final = ("qq", "163", "126", "sina", "gmail", "outlook", "foxmail", "139")
CHINA: Final = "China"


def _surnames() -> tuple[Surname, ...]:
    entries = [entry.split() for entry in _SURNAMES.split(",")]
    return tuple(Surname(name, latin, float(weight)) for name, latin, weight in entries)


def _readings(text: str) -> dict[str, str]:
    return {entry[0]: entry[1:] for entry in text.split()}


def _given_name_characters() -> tuple[GivenNameCharacter, ...]:
    """All characters, the most frequent of both sexes together first."""
    male, female = _readings(_MALE), _readings(_FEMALE)
    male_weights = dict(zip(male, zipf(len(male)).tolist(), strict=True))
    female_weights = dict(zip(female, zipf(len(female)).tolist(), strict=True))
    characters = [
        GivenNameCharacter(
            character, latin, female_weights.get(character, 0.0), male_weights.get(character, 0.0)
        )
        for character, latin in (male | female).items()
    ]
    return tuple(sorted(characters, key=lambda one: -(one.female_weight + one.male_weight)))


def _cities() -> tuple[City, ...]:
    home = [entry.split() for entry in _CITIES.split(",")]
    abroad = [entry.split() for entry in _CITIES_ABROAD.split(",")]
    return tuple(
        City(name, province, float(weight), CHINA) for name, province, weight in home
    ) + tuple(
        City(name, province, float(weight), country.replace("-", " "))
        for name, province, weight, country in abroad
    )


def _homophones() -> dict[str, str]:
    readings = [(one.character, one.latin.lower()) for one in SURNAMES if len(one.character) == 1]
    readings += [(one.character, one.latin) for one in GIVEN_NAME_CHARACTERS]
    readings += list(_readings(_MORE_HOMOPHONES).items())
    by_reading: dict[str, list[str]] = {}
    for character, latin in readings:
        alike = by_reading.setdefault(latin, [])
        if character not in alike:
            alike.append(character)
    return {latin: "".join(alike) for latin, alike in by_reading.items()}


SURNAMES: Final = _surnames()
GIVEN_NAME_CHARACTERS: Final = _given_name_characters()
CITIES: Final = _cities()
# Pinyin without tones -> the characters read so, two at least.
HOMOPHONES: Final = _homophones()
